//! An operators' door with canned answers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_error::{Error, Kind};
use micro_proto::operators::*;
use micro_rpc::{Streaming, server::Router};
use micro_tenancy::Caller;
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};

/// What logs in.
pub const SECRET: &str = "mos_secret";
const TOKEN: &str = "mot_token";
const CENTURY: i64 = 4_102_444_800;
const NEW_YEAR: i64 = 1_767_225_600;

/// The running door.
pub struct Door {
    address: SocketAddr,
    platform: Arc<Platform>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Platform {
    retried: Mutex<Vec<String>>,
}

impl Door {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let platform = Arc::new(Platform::default());
        let router = Router::default()
            .with(Arc::new(OperatorsServer::new(platform.clone())))
            .with(Arc::new(CustomersServer::new(platform.clone())))
            .with(Arc::new(NamespacesServer::new(platform.clone())))
            .with(Arc::new(JobsServer::new(platform.clone())))
            .with(Arc::new(SecretsServer::new(platform.clone())));
        let (tell, told) = oneshot::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("bound")).expect("awaited");
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                let router = router.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |request: http::Request<Incoming>| {
                        let router = router.clone();
                        async move {
                            let header = request.headers().get("authorization").and_then(|v| v.to_str().ok());
                            let token = header
                                .and_then(|v| v.strip_prefix("Bearer "))
                                .unwrap_or_default()
                                .to_owned();
                            let caller = Caller::anonymous().with_bearer(SecretString::from(token));
                            Ok::<_, Infallible>(router.answer(caller, request).await)
                        }
                    });
                    // A command that ends closes its connection in whatever way.
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        let address = told.blocking_recv().expect("it listens");
        Self {
            address,
            platform,
            _runtime: runtime,
        }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn retried(&self) -> Vec<String> {
        self.platform.retried.lock().expect("not poisoned").clone()
    }
}

fn known(caller: &Caller) -> Result<(), Error> {
    match caller.bearer().map(|t| t.expose_secret()) {
        Some(TOKEN) => Ok(()),
        _ => Err(Error::new(
            Kind::Unauthenticated,
            "operators.login",
            "Log in first: micro-admin login",
        )),
    }
}

fn ada() -> Customer {
    Customer {
        email: "ada@example.com".into(),
        namespace: "amber-otter-drift".into(),
        namespace_id: "ns-1".into(),
        account: "ada".into(),
        subscription: "sub_1".into(),
        subscription_status: "active".into(),
        created_at: NEW_YEAR,
    }
}

fn namespace() -> NamespaceRow {
    NamespaceRow {
        id: "ns-1".into(),
        name: "amber-otter-drift".into(),
        state: "active".into(),
        created_at: NEW_YEAR,
    }
}

#[async_trait]
impl Operators for Platform {
    async fn login(&self, _: &Caller, request: LoginRequest) -> Result<LoginResponse, Error> {
        match request.secret == SECRET {
            true => Ok(LoginResponse {
                token: TOKEN.into(),
                expires_at: CENTURY,
                operator: "admin".into(),
                role: "admin".into(),
            }),
            false => Err(Error::new(
                Kind::Unauthenticated,
                "operators.secret",
                "That operator secret is not known",
            )),
        }
    }
}

#[async_trait]
impl Customers for Platform {
    async fn list(&self, caller: &Caller, _: ListCustomersRequest) -> Result<ListCustomersResponse, Error> {
        known(caller)?;
        Ok(ListCustomersResponse {
            customers: vec![ada()],
            next_cursor: "next".into(),
        })
    }

    async fn show(&self, caller: &Caller, _: ShowCustomerRequest) -> Result<ShowCustomerResponse, Error> {
        known(caller)?;
        Ok(ShowCustomerResponse { customer: Some(ada()) })
    }
}

#[async_trait]
impl Namespaces for Platform {
    async fn list(&self, caller: &Caller, _: ListNamespacesRequest) -> Result<ListNamespacesResponse, Error> {
        known(caller)?;
        Ok(ListNamespacesResponse {
            namespaces: vec![namespace()],
            next_cursor: String::new(),
        })
    }

    async fn show(&self, caller: &Caller, _: ShowNamespaceRequest) -> Result<ShowNamespaceResponse, Error> {
        known(caller)?;
        Ok(ShowNamespaceResponse {
            namespace: Some(namespace()),
            customers: vec![ada()],
        })
    }
}

#[async_trait]
impl Jobs for Platform {
    async fn list(&self, caller: &Caller, request: ListJobsRequest) -> Result<ListJobsResponse, Error> {
        known(caller)?;
        let job = Job {
            id: "job-1".into(),
            kind: "mail".into(),
            state: request.state,
            attempts: 20,
            last_error: "no\nanswer".into(),
            run_at: NEW_YEAR,
        };
        Ok(ListJobsResponse {
            jobs: vec![job],
            next_cursor: String::new(),
        })
    }

    async fn retry(&self, caller: &Caller, request: RetryJobRequest) -> Result<RetryJobResponse, Error> {
        known(caller)?;
        if request.id != "job-1" {
            let said = "the job is running, or there is none of that id";
            return Err(Error::new(Kind::Conflict, "operators.not_retried", said));
        }
        self.retried
            .lock()
            .expect("not poisoned")
            .push(format!("{}: {}", request.id, request.reason));
        Ok(RetryJobResponse {})
    }
}

/// What comes of a rotation follows from its reason: `gone`, a namespace fails; `cut`, the answer ends early.
#[async_trait]
impl Secrets for Platform {
    async fn rotate(
        &self,
        caller: &Caller,
        request: RotateSecretsRequest,
    ) -> Result<Streaming<RotateSecretsProgress>, Error> {
        known(caller)?;
        let told = |namespace: &str, sealed, error: &str| RotateSecretsProgress {
            namespace_id: "ns-1".into(),
            namespace: namespace.into(),
            sealed,
            error: error.into(),
            cursor: "7.x".into(),
        };
        let mut progress = vec![Ok(told("amber-otter-drift", 3, ""))];
        match request.reason.as_str() {
            "gone" => progress.push(Ok(told("brisk-birch-bell", 0, "this server has no key 1234"))),
            "cut" => progress.push(Err(Error::new(Kind::Unavailable, "test", "the database went away"))),
            _ => progress.push(Ok(told("brisk-birch-bell", 0, ""))),
        }
        Ok(stream::iter(progress).boxed())
    }
}
