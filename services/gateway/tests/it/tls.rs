//! TLS on the public doors.

use std::sync::Arc;

use micro_client::{Client, Endpoint};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::world::{World, caller};

#[tokio::test]
async fn both_protocols_speak_through_tls() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, own.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("a pair");
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let world = World::with(|c| c.tls = Some(Arc::new(tls))).await;

    let proxy = world.gateway.addresses().proxy.port();
    let endpoint = Endpoint::parse(&format!("https://localhost:{proxy}"))
        .expect("valid")
        .with_ca_file(&ca);
    let client = Client::connect(endpoint).await.expect("trusted");
    let health = client
        .call_json(&caller("", &[]), "store", "Debug.Health", "{}".into())
        .await;
    assert_eq!(health.expect("answers"), r#"{"status":"ok"}"#);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).expect("a root");
    let http1 = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(world.gateway.addresses().api)
        .await
        .expect("connects");
    let name = "localhost".try_into().expect("a name");
    let mut tls = TlsConnector::from(Arc::new(http1))
        .connect(name, tcp)
        .await
        .expect("trusted");
    tls.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut root = String::new();
    tls.read_to_string(&mut root).await.expect("answers");
    assert!(root.starts_with("HTTP/1.1 200"), "{root}");
}
