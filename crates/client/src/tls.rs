//! TLS to a server: the public roots, and a file of one's own.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Endpoint;

pub async fn connect(endpoint: &Endpoint, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(endpoint.host().to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config(endpoint)?)).connect(name, tcp).await
}

fn config(endpoint: &Endpoint) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(file) = endpoint.ca_file() {
        let read = |e| io::Error::other(format!("reading the CA file {}: {e}", file.display()));
        for certificate in CertificateDer::pem_file_iter(file).map_err(read)? {
            roots.add(certificate.map_err(read)?).map_err(io::Error::other)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
