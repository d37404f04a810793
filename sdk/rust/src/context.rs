//! What a handler knows besides its request, and the way to everything else.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Blobs, Broker, Config, Error, Events, Store, Streaming,
    client::{Call, Client, More},
    frame::{self, Codec, Wire},
    trace::Trace,
};

/// The request's metadata, and the way to other services and the core, as this service. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    service: Arc<str>,
    metadata: BTreeMap<String, String>,
    trace: Trace,
    passed_on: Vec<(String, String)>,
    client: Client,
}

impl Context {
    pub(crate) fn new(service: Arc<str>, metadata: BTreeMap<String, String>, client: Client) -> Self {
        let trace = Trace::of(&metadata);
        let passed_on = trace.passed_on(&metadata);
        Self(Arc::new(Inner {
            service,
            metadata,
            trace,
            passed_on,
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
        let mut passed_on = self.0.passed_on.clone();
        passed_on.push((name.to_ascii_lowercase(), value.into()));
        Self(Arc::new(Inner {
            service: self.0.service.clone(),
            metadata: self.0.metadata.clone(),
            trace: self.0.trace.clone(),
            passed_on,
            client: self.0.client.clone(),
        }))
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

    /// Calls `Handler.Method` of another service of the namespace, with this service's own identity.
    pub async fn call<A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        let call = self.to(service, endpoint, Wire::Json);
        self.0.client.call(&call, request, frame::plain()).await
    }

    /// Calls an endpoint that answers with a stream.
    pub async fn call_stream<A: DeserializeOwned + 'static>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<Streaming<A>, Error> {
        self.open(service, endpoint, request, None).await
    }

    /// Calls with protobuf messages that prost generated.
    #[cfg(feature = "proto")]
    pub async fn call_proto<Q, A>(&self, service: &str, endpoint: &str, request: &Q) -> Result<A, Error>
    where
        Q: prost::Message + Serialize,
        A: prost::Message + Default + DeserializeOwned,
    {
        let call = self.to(service, endpoint, Wire::Proto);
        self.0.client.call(&call, request, frame::generated()).await
    }

    /// A stream whose request side stays open for what `more` gives.
    pub(crate) async fn open<Q: Serialize, A: DeserializeOwned + 'static>(
        &self,
        service: &str,
        endpoint: &str,
        request: &Q,
        more: Option<More>,
    ) -> Result<Streaming<A>, Error> {
        let codec: Codec<A, Q> = frame::plain();
        let call = self.to(service, endpoint, Wire::Json);
        self.0.client.stream(&call, request, more, codec).await
    }

    fn to<'c>(&'c self, service: &'c str, endpoint: &'c str, wire: Wire) -> Call<'c> {
        Call {
            service,
            endpoint,
            metadata: &self.0.passed_on,
            wire,
        }
    }
}
