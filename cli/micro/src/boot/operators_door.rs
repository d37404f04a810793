//! The operators' door: their rpcs, the health checks that machines ask for, and metrics. Loopback only, and
//! nothing of it is on a tenant's door.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use micro_rpc::server::Router as Rpcs;
use micro_serve::probes::Probe;
use micro_tenancy::Caller;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;

/// Turns an operator's token into a caller; nobody in particular where it is none.
pub type Authenticate = Arc<dyn Fn(SecretString) -> Pin<Box<dyn Future<Output = Caller> + Send>> + Send + Sync>;
/// Whether everything this server needs answers; what does not, by name.
pub type Ready = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What the door opens onto.
#[derive(Clone)]
pub struct Door {
    /// Operators' services.
    pub rpcs: Rpcs,
    /// Reads tokens.
    pub authenticate: Authenticate,
    /// Answers `/readyz`.
    pub ready: Ready,
    /// Prints `/metrics` in OpenMetrics text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The name under which gRPC health checks ask for this door.
struct Micro;

impl NamedService for Micro {
    const NAME: &'static str = "micro";
}

/// Serves the door until `stop`.
pub async fn serve(listener: TcpListener, door: Door, stop: CancellationToken) -> std::io::Result<()> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<Micro>().await;
    let router = router(door).route_service("/grpc.health.v1.Health/{method}", health_service);
    axum::serve(listener, router.layer(middleware::from_fn(only_here)))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(door: Door) -> Router {
    let probes = Probe::ALL.iter().fold(Router::new(), |router, probe| {
        let answered = match probe {
            Probe::Live => get(|| async { "ok\n" }),
            Probe::Ready => get(ready),
            Probe::Metrics => get(metrics),
        };
        router.route(probe.path(), answered)
    });
    probes.fallback(rpc).with_state(door)
}

/// A page of some site, in a browser on this machine, does not ask for metrics or try secrets.
async fn only_here(request: Request, next: Next) -> Response {
    if micro_gateway::is_meant(&request, true) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

async fn ready(State(door): State<Door>) -> Response {
    match (door.ready)().await {
        Ok(()) => "ok\n".into_response(),
        Err(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")).into_response(),
    }
}

async fn metrics(State(door): State<Door>) -> Response {
    let text = (door.metrics)();
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

async fn rpc(State(door): State<Door>, request: Request) -> Response {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    let caller = match bearer {
        Some(token) => (door.authenticate)(token.into()).await,
        None => Caller::anonymous(),
    };
    door.rpcs.answer(caller, request).await.map(Body::new)
}

/// Binds plainly first, so that a taken port is said by name.
pub async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|e| anyhow::anyhow!("{setting}: {address} cannot be used ({e}); stop who has it, or choose another"))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn pages_of_other_sites_do_not_reach_the_door() {
        let door = Door {
            rpcs: Rpcs::default(),
            authenticate: Arc::new(|_| Box::pin(async { Caller::anonymous() })),
            ready: Arc::new(|| Box::pin(async { Ok(()) })),
            metrics: Arc::new(|| "how many tenants there are".into()),
        };
        let listener = bind("127.0.0.1:0".parse().expect("valid"), "a door")
            .await
            .expect("free");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, door, stop.clone()));
        let status = async |path: &str, headers: &str| {
            let mut peer = TcpStream::connect(address).await.expect("connects");
            let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
            peer.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            peer.read_to_string(&mut answer).await.expect("answers");
            answer[9..12].to_owned()
        };
        for path in ["/livez", "/readyz", "/metrics"] {
            let own = format!("host: {address}\r\n");
            assert_eq!(status(path, &own).await, "200", "{path}");
            assert_eq!(status(path, "host: localhost:8090\r\n").await, "200", "{path}");
        }
        for path in [
            "/livez",
            "/metrics",
            "/operators.Operators/Login",
            "/grpc.health.v1.Health/Check",
        ] {
            assert_eq!(status(path, "host: evil.example:8090\r\n").await, "403", "{path}");
            let across = format!("host: {address}\r\norigin: https://evil.example\r\n");
            assert_eq!(status(path, &across).await, "403", "{path}");
        }
        stop.cancel();
        serving.await.expect("joins").expect("served");
    }
}
