//! Envoy, doing what our doors do: checks the same tokens (`jwt_authn`, with its cache), routes to the same backend,
//! and turns HTTP/JSON into gRPC.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    backend,
    process::{Process, eventually},
    tenants::Tenants,
};
use crate::harness::{Cpu, Whose};

/// A running Envoy with one worker.
pub struct Envoy {
    process: Process,
    /// Where it answers gRPC and HTTP/JSON alike.
    pub address: SocketAddr,
    _dir: TempDir,
}

impl Envoy {
    /// Starts it on one core, in front of a backend.
    pub async fn start(program: &Path, core: usize, backend: SocketAddr, tenants: &Tenants) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("micro-bench-envoy").tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let descriptors = dir.path().join("greeter.pb");
        fs::write(&descriptors, greeter(dir.path())?)?;
        let config = dir.path().join("envoy.json");
        let text = configuration(address, backend, &tenants.key_set()?, &descriptors);
        fs::write(&config, text.to_string())?;
        let log = dir.path().join("log");
        let mut command = Command::new(program);
        command
            .args([
                "--concurrency",
                "1",
                "--base-id",
                &std::process::id().to_string(),
                "-l",
                "warn",
                "-c",
            ])
            .arg(&config);
        let mut process = Process::start(&mut command, &log, Some(core))?;
        let listens = eventually("Envoy listens", Duration::from_secs(30), || {
            let runs = process.check();
            async move {
                runs?;
                Ok(TcpStream::connect(address).await.ok())
            }
        });
        let said = || fs::read_to_string(&log).unwrap_or_default();
        listens.await.with_context(said)?;
        Ok(Self {
            process,
            address,
            _dir: dir,
        })
    }

    /// Its meter.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(Whose::Process(self.process.pid()))
    }
}

/// The backend's contract as descriptors.
fn greeter(dir: &Path) -> Result<Vec<u8>> {
    let file = dir.join("greeter.proto");
    fs::write(&file, backend::PROTO)?;
    Ok(protox::compile([&file], [dir])?.encode_to_vec())
}

fn configuration(address: SocketAddr, backend: SocketAddr, keys: &str, descriptors: &Path) -> Value {
    let at =
        |address: SocketAddr| json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    let extension = |name: &str, mut config: Value, kind: &str| {
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.{kind}"));
        json!({ "name": name, "typed_config": config })
    };
    let tokens = json!({
        "providers": { "micro": {
            "issuer": Tenants::ENVIRONMENT,
            "forward": false,
            "local_jwks": { "inline_string": keys },
            "jwt_cache_config": { "jwt_cache_size": 1000 },
        } },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "micro" } }],
    });
    let transcoder = json!({
        "proto_descriptor": descriptors,
        "services": ["greeter.Greeter"],
        "auto_mapping": true,
    });
    let connections = json!({
        "stat_prefix": "door",
        "codec_type": "AUTO",
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "backend", "timeout": "15s" } }],
        }] },
        "http_filters": [
            extension("jwt", tokens, "filters.http.jwt_authn.v3.JwtAuthentication"),
            extension("json", transcoder, "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"),
            extension("router", json!({}), "filters.http.router.v3.Router"),
        ],
    });
    let protocol = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    let kind = "filters.network.http_connection_manager.v3.HttpConnectionManager";
    json!({ "static_resources": {
        "listeners": [{
            "address": at(address),
            "filter_chains": [{ "filters": [extension("http", connections, kind)] }],
        }],
        "clusters": [{
            "name": "backend",
            "type": "STATIC",
            "connect_timeout": "5s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol },
            "circuit_breakers": { "thresholds": [{ "max_requests": 10000, "max_pending_requests": 10000 }] },
            "load_assignment": { "cluster_name": "backend", "endpoints": [{
                "lb_endpoints": [{ "endpoint": { "address": at(backend) } }],
            }] },
        }],
    } })
}
