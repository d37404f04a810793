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
use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time,
};
use uuid::Uuid;

use crate::{
    Context, Error, Settings, Streaming,
    body::Answer,
    client::Client,
    debug::Debug,
    frame::{self, Codec, Wire},
    identity::Identity,
    listen::{self, Listener},
    log, schema,
    server::{self, Door},
    settings::setting,
};

/// The registry forgets a node that has not said so again for this long.
const TTL: Duration = Duration::from_secs(90);
/// How often it says so.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a first registration is tried before the service gives up, and how long apart; the pause is also what
/// a service waits for a server that it lost.
const REGISTER: (u32, Duration) = (20, Duration::from_millis(250));
/// How long requests in flight may take to finish once the service is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// What answers an endpoint.
pub(crate) struct Handler {
    /// Whether it answers with any number of messages.
    pub streams: bool,
    pub call: Box<dyn Fn(Context, Wire, Bytes) -> Answering + Send + Sync>,
}

/// A service being put together.
pub struct Service {
    name: String,
    version: String,
    handlers: HashMap<String, Handler>,
    endpoints: Vec<Value>,
    listeners: Vec<Listener>,
}

impl Service {
    /// A service of that name. `micro run --name` has the last word on it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: setting("MICRO_SERVICE_NAME").unwrap_or_else(|| name.into()),
            version: setting("MICRO_SERVICE_VERSION").unwrap_or_else(|| "latest".into()),
            handlers: HashMap::new(),
            endpoints: vec![],
            listeners: vec![],
        }
    }

    /// Answers `endpoint` (`Handler.Method`, such as `Greeter.Hello`) with `handler`.
    ///
    /// # Panics
    /// If the endpoint is not of that form, or has a handler already: both are slips in the program. So it is with
    /// the others below.
    #[must_use]
    pub fn handle<Q, A, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.answer_one(endpoint, handler, frame::plain())
    }

    /// Answers `endpoint` with a stream: `handler` returns a [`Streaming`], or any other stream.
    ///
    /// ```
    /// # use micro_sdk::{Context, Error, Service, Streaming};
    /// # #[derive(serde::Deserialize)] struct Count { to: u32 }
    /// async fn count(_: Context, count: Count) -> Result<Streaming<u32>, Error> {
    ///     Ok(Streaming::of(move |sender| async move {
    ///         for number in 1..=count.to {
    ///             sender.send(number).await?;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// let service = Service::new("greeter").stream("Greeter.Count", count);
    /// ```
    #[must_use]
    pub fn stream<Q, A, S, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        self.answer_many(endpoint, handler, frame::plain())
    }

    /// As [`Service::handle`], with messages that prost generated: answers protobuf and JSON, as it is asked. The
    /// messages need serde's traits for the latter.
    #[cfg(feature = "proto")]
    #[must_use]
    pub fn handle_proto<Q, A, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: prost::Message + Default + DeserializeOwned + 'static,
        A: prost::Message + Serialize + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.answer_one(endpoint, handler, frame::generated())
    }

    /// As [`Service::stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    #[must_use]
    pub fn stream_proto<Q, A, S, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: prost::Message + Default + DeserializeOwned + 'static,
        A: prost::Message + Serialize + 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        self.answer_many(endpoint, handler, frame::generated())
    }

    /// Gives each event of `topic` to `handler`, once for all instances of this service, which are one group. What
    /// the handler fails comes again, a few times.
    #[must_use]
    pub fn on_event<T, F, R>(mut self, topic: &str, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(Context, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.listeners.push(listen::to_events(topic.to_owned(), handler));
        self
    }

    /// Gives each message that is published to `topic` while this runs to `handler`, in one instance of this service.
    #[must_use]
    pub fn on_message<T, F, R>(mut self, topic: &str, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(Context, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.listeners.push(listen::to_messages(topic.to_owned(), handler));
        self
    }

    fn answer_one<Q, A, F, R>(self, endpoint: &str, handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let call = move |context, wire, message: Bytes| -> Answering {
            let answer = (codec.decode)(wire, &message).map(|request| handler(context, request));
            Box::pin(async move { (codec.encode)(wire, &answer?.await?).map(Answer::One) })
        };
        self.add::<Q, A>(
            endpoint,
            Handler {
                streams: false,
                call: Box::new(call),
            },
        )
    }

    fn answer_many<Q, A, S, F, R>(self, endpoint: &str, handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        let call = move |context, wire, message: Bytes| -> Answering {
            let answer = (codec.decode)(wire, &message).map(|request| handler(context, request));
            Box::pin(async move {
                let items = Streaming::new(answer?.await?);
                Ok(Answer::Many(items.and_then(move |item| (codec.encode)(wire, &item))))
            })
        };
        self.add::<Q, A>(
            endpoint,
            Handler {
                streams: true,
                call: Box::new(call),
            },
        )
    }

    fn add<Q: DeserializeOwned, A>(mut self, endpoint: &str, handler: Handler) -> Self {
        let whole =
            matches!(endpoint.split_once('.'), Some((h, m)) if !h.is_empty() && !m.is_empty() && !m.contains('.'));
        assert!(whole, "{endpoint:?} is not of the form Handler.Method");
        let mut described = json!({
            "name": endpoint,
            "request": schema::of::<Q>(),
            "response": schema::named::<A>(),
        });
        if handler.streams {
            described["metadata"] = json!({ "stream": "true" });
        }
        let taken = self.handlers.insert(endpoint.to_owned(), handler);
        assert!(taken.is_none(), "{endpoint} has a handler already");
        self.endpoints.push(described);
        self
    }

    /// Serves until it is told to stop (SIGTERM, SIGINT): listens, registers, answers; then deregisters and
    /// lets the requests in flight finish.
    // Boxed, so that servers and clients are compiled here once and not again in every service: that is nine tenths of a
    // service's first build.
    pub fn run(self) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        Box::pin(async move {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let told = async move {
                tokio::select! {
                    _ = terminate.recv() => (),
                    _ = interrupt.recv() => (),
                }
            };
            self.live(Settings::from_env(), Box::pin(told)).await
        })
    }

    /// As [`Service::run`], with settings of the caller's and until `told` is ready: for tests.
    pub fn run_until(
        self,
        settings: Settings,
        told: impl Future<Output = ()> + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        Box::pin(self.live(settings, Box::pin(told)))
    }

    async fn live(self, settings: Settings, told: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), Error> {
        let namespace = settings.namespace;
        let identity = Identity::new(settings.account, namespace.clone());
        let client = Client::new(settings.proxy, namespace.clone(), identity);
        let listener = TcpListener::bind(&settings.address).await?;
        let address = listener.local_addr()?;
        let registration = self.registration(&namespace, address);

        let name: Arc<str> = self.name.into();
        let door = Door {
            name: name.clone(),
            handlers: self.handlers,
            client: client.clone(),
            debug: Arc::new(Debug::new()),
        };
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(server::serve(listener, Arc::new(door), stopping));
        register(&client, &registration).await.map_err(explain)?;
        log::info(
            "Registered",
            &[("service", &name), ("address", &address), ("namespace", &namespace)],
        );

        let mut listening: JoinSet<()> = JoinSet::new();
        for start in self.listeners {
            listening.spawn(start(Context::new(name.clone(), BTreeMap::new(), client.clone())));
        }
        tokio::select! {
            () = stay_registered(&client, &registration) => (),
            () = told => (),
        }
        let left: Result<Value, _> = client.core("registry", "Registry.Deregister", &registration).await;
        if let Err(e) = left {
            log::warn("Deregistering failed", &[("error", &e)]);
        }
        listening.shutdown().await;
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
            .core::<Value>("registry", "Registry.Register", registration)
            .await
        {
            Ok(_) => return Ok(()),
            Err(e) if left == 0 || (400..408).contains(&e.code) => return Err(e),
            Err(_) => time::sleep(pause).await,
        }
    }
    Ok(())
}

/// To somebody who has just started a service by hand, what is missing.
fn explain(mut e: Error) -> Error {
    match e.code {
        401 => e.detail.push_str(
            ". `micro run` gives a service an account; started by hand it needs one in MICRO_AUTH_ID and MICRO_AUTH_SECRET",
        ),
        503 => e.detail.push_str(". Is `micro server` running there? MICRO_PROXY says where it is"),
        _ => {}
    }
    e
}

/// Says again and again that the service is there. A server that was lost may have forgotten it: it is told as soon
/// as it is back.
async fn stay_registered(client: &Client, registration: &Value) {
    let (mut wait, mut told_so) = (HEARTBEAT, false);
    loop {
        tokio::select! {
            () = time::sleep(wait) => (),
            () = client.lost() => {
                wait = REGISTER.1;
                continue;
            }
        }
        match client
            .core::<Value>("registry", "Registry.Register", registration)
            .await
        {
            Ok(_) => (wait, told_so) = (HEARTBEAT, false),
            Err(e) => {
                if !std::mem::replace(&mut told_so, true) {
                    log::warn("Registering again failed; trying on", &[("error", &e)]);
                }
                wait = (wait * 2).clamp(REGISTER.1, HEARTBEAT / 6);
            }
        }
    }
}
