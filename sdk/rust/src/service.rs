//! A service: its name and its handlers.

use std::{collections::HashMap, future::Future, pin::Pin};

use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Context, Error, Settings, Streaming, frame,
    handler::Handler,
    listen::{self, Listener},
    settings::setting,
};

/// A service being put together.
pub struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handlers: HashMap<String, Handler>,
    pub(crate) endpoints: Vec<Value>,
    pub(crate) listeners: Vec<Listener>,
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
    /// A handler whose caller has gone, or does not wait any longer, is dropped where it is. What must be done to the
    /// end all the same goes into `tokio::spawn`.
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
        self.add::<Q, A>(endpoint, Handler::unary(handler, frame::plain()))
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
        self.add::<Q, A>(endpoint, Handler::server_stream(handler, frame::plain()))
    }

    /// Answers `endpoint` once its caller has sent any number of requests, which come as the handler takes them.
    ///
    /// ```
    /// # use micro_sdk::{Context, Error, Service, Streaming};
    /// async fn sum(_: Context, mut numbers: Streaming<u64>) -> Result<u64, Error> {
    ///     let mut sum = 0;
    ///     while let Some(number) = numbers.next().await {
    ///         sum += number?;
    ///     }
    ///     Ok(sum)
    /// }
    /// let service = Service::new("sums").client_stream("Sums.Add", sum);
    /// ```
    #[must_use]
    pub fn client_stream<Q, A, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.add::<Q, A>(endpoint, Handler::client_stream(handler, frame::plain()))
    }

    /// Answers `endpoint` with a stream while its requests come: both sides say what they like, when they like.
    ///
    /// ```
    /// # use micro_sdk::{Context, Error, Service, Streaming};
    /// async fn sums(_: Context, mut numbers: Streaming<u64>) -> Result<Streaming<u64>, Error> {
    ///     Ok(Streaming::of(|sender| async move {
    ///         let mut sum = 0;
    ///         while let Some(number) = numbers.next().await {
    ///             sum += number?;
    ///             sender.send(sum).await?;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// let service = Service::new("sums").bidi_stream("Sums.Follow", sums);
    /// ```
    #[must_use]
    pub fn bidi_stream<Q, A, S, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        self.add::<Q, A>(endpoint, Handler::bidi_stream(handler, frame::plain()))
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
        self.add::<Q, A>(endpoint, Handler::unary(handler, frame::generated()))
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
        self.add::<Q, A>(endpoint, Handler::server_stream(handler, frame::generated()))
    }

    /// As [`Service::client_stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    #[must_use]
    pub fn client_stream_proto<Q, A, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: prost::Message + Default + DeserializeOwned + 'static,
        A: prost::Message + Serialize + 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.add::<Q, A>(endpoint, Handler::client_stream(handler, frame::generated()))
    }

    /// As [`Service::bidi_stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    #[must_use]
    pub fn bidi_stream_proto<Q, A, S, F, R>(self, endpoint: &str, handler: F) -> Self
    where
        Q: prost::Message + Default + DeserializeOwned + 'static,
        A: prost::Message + Serialize + 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        self.add::<Q, A>(endpoint, Handler::bidi_stream(handler, frame::generated()))
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

    fn add<Q: DeserializeOwned, A>(mut self, endpoint: &str, handler: Handler) -> Self {
        let whole =
            matches!(endpoint.split_once('.'), Some((h, m)) if !h.is_empty() && !m.is_empty() && !m.contains('.'));
        assert!(whole, "{endpoint:?} is not of the form Handler.Method");
        self.endpoints.push(handler.described::<Q, A>(endpoint));
        let taken = self.handlers.insert(endpoint.to_owned(), handler);
        assert!(taken.is_none(), "{endpoint} has a handler already");
        self
    }

    /// Serves until it is told to stop (SIGTERM, SIGINT): listens, registers, answers; then deregisters and
    /// lets the requests and events in flight finish.
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
}
