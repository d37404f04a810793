//! A service: its name, its handlers, and its life from registration to a graceful stop.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time,
};
use uuid::Uuid;

use crate::{Client, Context, Error, frame, identity::Identity, schema, server};

/// The registry forgets a node that has not said so again for this long.
const TTL: Duration = Duration::from_secs(90);
/// How often it says so.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a first registration is tried before the service gives up, and how long apart.
const REGISTER: (u32, Duration) = (20, Duration::from_millis(250));
/// How long requests in flight may take to finish once the service is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

type Reply = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Context, Bytes) -> Reply + Send + Sync>;

/// A service being put together.
pub struct Service {
    name: String,
    version: String,
    handlers: HashMap<String, Handler>,
    endpoints: Vec<Value>,
}

impl Service {
    /// A service of that name. `micro run --name` has the last word on it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: setting("MICRO_SERVICE_NAME").unwrap_or_else(|| name.into()),
            version: setting("MICRO_SERVICE_VERSION").unwrap_or_else(|| "latest".into()),
            handlers: HashMap::new(),
            endpoints: vec![],
        }
    }

    /// Answers `endpoint` (`Handler.Method`, such as `Greeter.Hello`) with `handler`.
    ///
    /// # Panics
    /// If the endpoint is not of that form, or has a handler already: both are slips in the program.
    #[must_use]
    pub fn handle<Q, A, F, R>(mut self, endpoint: &str, handler: F) -> Self
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        assert!(
            endpoint.split('.').count() == 2,
            "{endpoint:?} is not of the form Handler.Method"
        );
        let id = format!("{}.{endpoint}", self.name);
        let call: Handler = Arc::new(move |context, body| {
            let id = id.clone();
            match frame::decode(&body) {
                Err(e) => Box::pin(std::future::ready(Err(e.named(&id)))),
                Ok(request) => {
                    let reply = handler(context, request);
                    Box::pin(async move { reply.await.and_then(|r| frame::encode(&r)).map_err(|e| e.named(&id)) })
                }
            }
        });
        let taken = self.handlers.insert(endpoint.to_owned(), call);
        assert!(taken.is_none(), "{endpoint} has a handler already");
        self.endpoints.push(json!({
            "name": endpoint,
            "request": schema::of::<Q>(),
            "response": schema::named::<A>(),
        }));
        self
    }

    /// Serves until it is told to stop (SIGTERM, SIGINT): listens, registers, answers; then deregisters and
    /// lets the requests in flight finish.
    // Boxed, so that servers and clients are compiled here once and not again in every service: that is nine tenths of a
    // service's first build.
    pub fn run(self) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        Box::pin(self.live())
    }

    async fn live(self) -> Result<(), Error> {
        let namespace = setting("MICRO_NAMESPACE").unwrap_or_else(|| "micro".into());
        let proxy = setting("MICRO_PROXY").unwrap_or_else(|| "127.0.0.1:8443".into());
        let identity = Identity::new(
            setting("MICRO_AUTH_ID").unwrap_or_default(),
            setting("MICRO_AUTH_SECRET").unwrap_or_default(),
            namespace.clone(),
        );
        let client = Client::new(proxy, namespace.clone(), identity);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;

        let listener = TcpListener::bind(listen_address()).await?;
        let address = listener.local_addr()?;
        let registration = self.registration(&namespace, address);
        let handlers = Arc::new(self.handlers);
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(server::serve(
            listener,
            self.name.clone(),
            handlers,
            client.clone(),
            stopping,
        ));
        register(&client, &registration).await?;
        eprintln!("{} listens on {address} and is registered in {namespace}", self.name);

        let mut heartbeat = time::interval_at(time::Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                _ = heartbeat.tick() => {
                    let beat: Result<Value, _> = client.call("registry", "Registry.Register", &registration).await;
                    if let Err(e) = beat {
                        eprintln!("registering again: {e}");
                    }
                }
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        let left: Result<Value, _> = client.call("registry", "Registry.Deregister", &registration).await;
        if let Err(e) = left {
            eprintln!("deregistering: {e}");
        }
        stop.send_replace(true);
        time::timeout(DRAIN, served).await.ok();
        Ok(())
    }

    fn registration(&self, namespace: &str, address: SocketAddr) -> Value {
        let metadata: BTreeMap<_, _> = [
            ("broker", "service"),
            ("protocol", "grpc"),
            ("registry", "service"),
            ("server", "grpc"),
            ("transport", "grpc"),
        ]
        .into();
        json!({
            "name": self.name,
            "version": self.version,
            "endpoints": self.endpoints,
            "nodes": [{
                "id": format!("{}-{}", self.name, Uuid::new_v4()),
                "address": address.to_string(),
                "metadata": metadata,
            }],
            "options": { "ttl": TTL.as_secs().to_string(), "domain": namespace },
        })
    }
}

/// The core may be starting too: the first registration is tried for a few seconds.
async fn register(client: &Client, registration: &Value) -> Result<(), Error> {
    let (tries, pause) = REGISTER;
    for left in (0..tries).rev() {
        match client
            .call::<Value>("registry", "Registry.Register", registration)
            .await
        {
            Ok(_) => return Ok(()),
            Err(e) if left == 0 || (400..408).contains(&e.code) => return Err(e),
            Err(_) => time::sleep(pause).await,
        }
    }
    Ok(())
}

fn listen_address() -> String {
    match setting("MICRO_SERVICE_ADDRESS") {
        Some(port) if port.starts_with(':') => format!("127.0.0.1{port}"),
        Some(address) => address,
        None => "127.0.0.1:0".into(),
    }
}

/// The runtime speaks to a service through its environment.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}
