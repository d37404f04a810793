//! TLS for the shared connections: the same URL as sqlx reads, the same roots, never less checked.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Config,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use url::Url;

use crate::StoreError;

/// Connects by TLS where the URL asks for it. Certificates are always checked.
#[derive(Clone)]
pub(super) struct Connector(Arc<ClientConfig>);

/// What tokio-postgres makes of a URL. It knows fewer parameters than sqlx, and refuses those it does not know.
pub(super) fn configure(url: &SecretString) -> Result<(Config, Connector), StoreError> {
    let refuse = || StoreError::Invalid("that is not the URL of a PostgreSQL database".into());
    let as_sqlx: PgConnectOptions = url.expose_secret().parse().map_err(|_| refuse())?;
    let mut plain = Url::parse(url.expose_secret()).map_err(|_| refuse())?;
    let root = plain
        .query_pairs()
        .find(|(name, _)| name == "sslrootcert")
        .map(|(_, file)| file.into_owned());
    plain.set_query(None);
    let mut config: Config = plain.as_str().parse().map_err(|_| refuse())?;
    config.ssl_mode(match as_sqlx.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => SslMode::Disable,
        PgSslMode::Prefer => SslMode::Prefer,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => SslMode::Require,
    });
    Ok((config, Connector(Arc::new(client_config(root)?))))
}

fn client_config(root: Option<String>) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    match root {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file).map_err(StoreError::failed)? {
                roots
                    .add(certificate.map_err(StoreError::failed)?)
                    .map_err(StoreError::failed)?;
            }
        }
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(StoreError::failed)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Encrypted<S>;
    type TlsConnect = ToHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<ToHost> {
        // A unix socket's "host" is a path, and nobody speaks TLS there.
        let name = ServerName::try_from(host.to_owned()).ok();
        Ok(ToHost {
            connector: TlsConnector::from(self.0.clone()),
            name,
        })
    }
}

/// A connector that knows whom it must find at the other end.
pub(super) struct ToHost {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ToHost {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = self
                .name
                .ok_or_else(|| io::Error::other("the database's host is not a valid name"))?;
            self.connector.connect(name, stream).await.map(Encrypted)
        })
    }
}

/// An encrypted stream.
pub(super) struct Encrypted<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_carefully_to_connect() {
        let mode = |query: &str| {
            let url = format!("postgres://serving:secret@db.example:5433/micro{query}").into();
            configure(&url).map(|(config, _)| (config.get_ssl_mode(), config.get_password().map(<[u8]>::to_vec)))
        };
        let secret = Some(b"secret".to_vec());
        assert_eq!(
            mode("?sslmode=verify-full").expect("known"),
            (SslMode::Require, secret.clone())
        );
        assert_eq!(
            mode("?sslmode=disable").expect("known"),
            (SslMode::Disable, secret.clone())
        );
        assert_eq!(mode("").expect("known"), (SslMode::Prefer, secret));
        assert!(mode("?sslrootcert=/nowhere.pem").is_err());
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        let error = configure(&"postgres://u:hunter2@[bad".into()).err().expect("refused");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
