//! TLS with a certificate that the public roots do not know.

use std::sync::Arc;

use micro_client::{Client, Endpoint};
use micro_proto::store::*;
use micro_tenancy::Caller;
use rustls::{ServerConfig, crypto::ring::default_provider};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::serve;

#[tokio::test]
async fn a_ca_file_makes_a_private_server_trusted() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, own.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let accepting = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("dialled");
            if let Ok(tls) = acceptor.accept(tcp).await {
                tokio::spawn(serve(tls));
            }
        }
    });

    let endpoint = Endpoint::parse(&format!("https://localhost:{port}")).expect("valid");
    let refused = Client::connect(endpoint.clone()).await.expect_err("unknown issuer");
    assert!(
        refused
            .message()
            .starts_with(&format!("connecting to localhost:{port}: ")),
        "{refused}"
    );

    let client = Client::connect(endpoint.with_ca_file(&ca)).await.expect("trusted");
    StoreClient::new(client)
        .read(&Caller::anonymous(), ReadRequest::default())
        .await
        .expect("answers");
    accepting.abort();
}
