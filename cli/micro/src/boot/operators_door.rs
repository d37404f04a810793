//! The operators' door: their rpcs, the health checks that machines ask for, and metrics. Loopback only, and
//! nothing of it is on a tenant's door.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use micro_rpc::server::Router as Rpcs;
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
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route_service("/grpc.health.v1.Health/{method}", health_service)
        .fallback(rpc)
        .with_state(door);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
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
