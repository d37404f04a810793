//! What a handler knows besides its request, and the way to everything else.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    Blobs, Broker, Config, Error, Events, Store, Streaming,
    client::{Call, Client},
    deadline,
    frame::{self, Codec, Wire},
    metadata,
    trace::Trace,
};

/// The request's metadata, and the way to other services and the core, as this service. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    service: Arc<str>,
    metadata: Arc<BTreeMap<String, String>>,
    trace: Trace,
    /// What the handler adds to its calls.
    added: Vec<(String, String)>,
    until: Option<Instant>,
    client: Client,
}

impl Context {
    pub(crate) fn new(service: Arc<str>, metadata: BTreeMap<String, String>, client: Client) -> Self {
        Self(Arc::new(Inner {
            service,
            trace: Trace::of(&metadata),
            added: vec![],
            until: deadline::of(&metadata),
            metadata: Arc::new(metadata),
            client,
        }))
    }

    /// One value of the request's metadata; names are lower case.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.0.metadata.get(name).map(String::as_str)
    }

    /// The same context, with one more value of metadata on the calls that are made with it.
    #[must_use]
    pub fn with_metadata(&self, name: &str, value: impl Into<String>) -> Self {
        let mut inner = (*self.0).clone();
        inner.added.push((name.to_ascii_lowercase(), value.into()));
        Self(Arc::new(inner))
    }

    /// The same context, for calls that may take so long; without, they take as long as the caller of this waits, and
    /// five seconds where that is not known.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut inner = (*self.0).clone();
        inner.until = Instant::now().checked_add(timeout);
        Self(Arc::new(inner))
    }

    /// The same context, for work that goes on when the caller does not wait any longer.
    #[must_use]
    pub fn detached(&self) -> Self {
        let mut inner = (*self.0).clone();
        inner.until = None;
        Self(Arc::new(inner))
    }

    /// How long the caller waits yet, where it said so. Then its handler is dropped.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.until.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The id that this request shares with all calls that led to it and that it leads to.
    pub fn trace_id(&self) -> &str {
        &self.0.trace.id
    }

    /// The same service's, for a story of its own.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.0.service.clone(), BTreeMap::new(), self.0.client.clone())
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.0.trace
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.until
    }

    /// The service's own name.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The namespace it runs in.
    pub fn namespace(&self) -> &str {
        self.0.client.namespace()
    }

    /// Records of this service.
    pub fn store(&self) -> Store {
        Store::new(self.clone())
    }

    /// Files of the namespace.
    pub fn blobs(&self) -> Blobs {
        Blobs::new(self.clone())
    }

    /// Configuration of the namespace.
    pub fn config(&self) -> Config {
        Config::new(self.clone())
    }

    /// Durable events.
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// Messages for whoever listens now.
    pub fn broker(&self) -> Broker {
        Broker::new(self.clone())
    }

    /// Calls `Handler.Method` of another service of the namespace, with this service's own identity. The request's
    /// metadata goes along, but for credentials and what is of one call.
    pub async fn call<A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        self.one(&self.to(service, endpoint, Wire::Json), request, frame::plain())
            .await
    }

    /// Calls an endpoint that answers with a stream.
    pub async fn call_stream<A: DeserializeOwned + 'static>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<Streaming<A>, Error> {
        let call = self.to(service, endpoint, Wire::Json);
        self.many(&call, Some(frame::encode_json(request)?), None, frame::plain::<A, ()>())
            .await
    }

    /// Calls an endpoint that takes a stream: sends all that `requests` gives, then waits for the answer. An error in
    /// `requests` cancels the call.
    pub async fn call_client_stream<Q: Serialize + 'static, A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        requests: Streaming<Q>,
    ) -> Result<A, Error> {
        self.gather(&self.to(service, endpoint, Wire::Json), requests, frame::plain())
            .await
    }

    /// Calls an endpoint that takes a stream and answers with one. Dropping the answers cancels the call, an error in
    /// `requests` as well.
    pub async fn call_bidi_stream<Q: Serialize + 'static, A: DeserializeOwned + 'static>(
        &self,
        service: &str,
        endpoint: &str,
        requests: Streaming<Q>,
    ) -> Result<Streaming<A>, Error> {
        let call = self.to(service, endpoint, Wire::Json);
        let requests = encoded(requests, call.wire, frame::plain::<A, Q>().encode);
        self.many(&call, None, Some(requests), frame::plain::<A, Q>()).await
    }

    /// Calls with protobuf messages that prost generated.
    #[cfg(feature = "proto")]
    pub async fn call_proto<Q, A>(&self, service: &str, endpoint: &str, request: &Q) -> Result<A, Error>
    where
        Q: prost::Message + Serialize,
        A: prost::Message + Default + DeserializeOwned,
    {
        self.one(&self.to(service, endpoint, Wire::Proto), request, frame::generated())
            .await
    }

    /// As [`Context::call_stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    pub async fn call_stream_proto<Q, A>(
        &self,
        service: &str,
        endpoint: &str,
        request: &Q,
    ) -> Result<Streaming<A>, Error>
    where
        Q: prost::Message + Serialize + 'static,
        A: prost::Message + Default + DeserializeOwned + 'static,
    {
        let (call, codec) = (self.to(service, endpoint, Wire::Proto), frame::generated::<A, Q>());
        self.many(&call, Some((codec.encode)(call.wire, request)?), None, codec)
            .await
    }

    /// As [`Context::call_client_stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    pub async fn call_client_stream_proto<Q, A>(
        &self,
        service: &str,
        endpoint: &str,
        requests: Streaming<Q>,
    ) -> Result<A, Error>
    where
        Q: prost::Message + Serialize + 'static,
        A: prost::Message + Default + DeserializeOwned,
    {
        self.gather(&self.to(service, endpoint, Wire::Proto), requests, frame::generated())
            .await
    }

    /// As [`Context::call_bidi_stream`], with messages that prost generated.
    #[cfg(feature = "proto")]
    pub async fn call_bidi_stream_proto<Q, A>(
        &self,
        service: &str,
        endpoint: &str,
        requests: Streaming<Q>,
    ) -> Result<Streaming<A>, Error>
    where
        Q: prost::Message + Serialize + 'static,
        A: prost::Message + Default + DeserializeOwned + 'static,
    {
        let (call, codec) = (self.to(service, endpoint, Wire::Proto), frame::generated::<A, Q>());
        let requests = encoded(requests, call.wire, codec.encode);
        self.many(&call, None, Some(requests), codec).await
    }

    /// Asks the core, whom a request's metadata does not concern.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        core: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        self.one(&self.to_core(core, endpoint), request, frame::plain()).await
    }

    /// A stream of the core's, whose request side stays open for what `more` gives.
    pub(crate) async fn open<Q: Serialize, A: DeserializeOwned + 'static>(
        &self,
        core: &str,
        endpoint: &str,
        request: &Q,
        more: Option<Streaming<Bytes>>,
    ) -> Result<Streaming<A>, Error> {
        let first = frame::encode_json(request)?;
        let call = self.to_core(core, endpoint);
        self.many(&call, Some(first), more, frame::plain::<A, ()>()).await
    }

    async fn one<Q, A>(&self, call: &Call<'_>, request: &Q, codec: Codec<A, Q>) -> Result<A, Error> {
        let begun = SystemTime::now();
        let answer = self.0.client.call(call, request, codec).await;
        self.made(call, begun);
        answer
    }

    async fn gather<Q: 'static, A>(
        &self,
        call: &Call<'_>,
        requests: Streaming<Q>,
        codec: Codec<A, Q>,
    ) -> Result<A, Error> {
        let begun = SystemTime::now();
        let answer = self
            .0
            .client
            .gather(call, encoded(requests, call.wire, codec.encode))
            .await;
        self.made(call, begun);
        (codec.decode)(call.wire, &answer?)
    }

    async fn many<Q: 'static, A: 'static>(
        &self,
        call: &Call<'_>,
        first: Option<Bytes>,
        more: Option<Streaming<Bytes>>,
        codec: Codec<A, Q>,
    ) -> Result<Streaming<A>, Error> {
        let (begun, wire) = (SystemTime::now(), call.wire);
        let replies = self.0.client.stream(call, first, more).await;
        self.made(call, begun);
        Ok(replies?.and_then(move |message| (codec.decode)(wire, &message)))
    }

    /// A stream is noted once it has begun.
    fn made(&self, call: &Call<'_>, begun: SystemTime) {
        let name = format!("{}.{}", call.service, call.endpoint);
        self.0.client.debug().made(name, call.trace.clone(), begun);
    }

    fn to<'c>(&self, service: &'c str, endpoint: &'c str, wire: Wire) -> Call<'c> {
        let mut call = self.to_core(service, endpoint);
        call.wire = wire;
        call.metadata.splice(0..0, metadata::passed_on(&self.0.metadata));
        call
    }

    fn to_core<'c>(&self, service: &'c str, endpoint: &'c str) -> Call<'c> {
        let mut call = Call::new(service, endpoint);
        call.trace = self.0.trace.below();
        call.metadata.extend(call.trace.headers());
        call.metadata.extend(self.0.added.iter().cloned());
        call.until = self.0.until;
        call
    }
}

fn encoded<Q: 'static>(
    requests: Streaming<Q>,
    wire: Wire,
    encode: fn(Wire, &Q) -> Result<Bytes, Error>,
) -> Streaming<Bytes> {
    requests.and_then(move |request| encode(wire, &request))
}
