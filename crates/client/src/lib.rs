//! A light client for command lines and tools: calls over one connection, typed through the generated clients
//! or as plain JSON for services that have none. Nothing is looked up or loaded before the first call.

mod connection;
mod endpoint;
mod tls;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use micro_error::{Error, Kind};
use micro_rpc::{Channel, Code, Codec, Deadline, MethodKind, Outgoing, Payload, Status, Streaming, TIMEOUT_HEADER};
use micro_tenancy::Caller;
use secrecy::ExposeSecret;

pub use endpoint::{Endpoint, InvalidEndpoint};

use connection::{Connection, RequestBody};

/// How long a unary call may take unless told otherwise (reference/micro-wire §1.4).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Micro's id for errors that arise on the caller's side.
const ID: &str = "go.micro.client";
const USER_AGENT: &str = concat!("micro/", env!("CARGO_PKG_VERSION"));

/// Calls one server. Clones share its connection, which is made at the first call and again when it is lost.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    timeout: Duration,
}

impl Client {
    /// A client of `endpoint`; nothing is dialled yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            connection: Arc::new(Connection::to(endpoint)),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// A client of `endpoint`, connected: a server that is not there is told apart from a call that fails.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, Error> {
        let client = Self::new(endpoint);
        client.connection.sender().await?;
        Ok(client)
    }

    /// The same client, on the same connection, waiting so long for unary calls.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            connection: self.connection.clone(),
            timeout,
        }
    }

    /// Calls `Handler.Method` of a service with a JSON body; the answer is JSON too.
    pub async fn call_json(&self, caller: &Caller, service: &str, endpoint: &str, body: Bytes) -> Result<Bytes, Error> {
        let call = json_call(service, endpoint, MethodKind::Unary, body);
        match self.call(caller, call).await? {
            Payload::One(answer) => Ok(answer),
            Payload::Many(mut answers) => answers
                .next()
                .await
                .unwrap_or_else(|| Err(no_answer()))
                .map_err(Error::from),
        }
    }

    /// Opens a stream of `Handler.Method` with one JSON message; its answers are JSON.
    pub async fn stream_json(
        &self,
        caller: &Caller,
        service: &str,
        endpoint: &str,
        body: Bytes,
    ) -> Result<Streaming<Bytes>, Error> {
        let answers = self
            .call(caller, json_call(service, endpoint, MethodKind::ServerStream, body))
            .await?;
        Ok(Box::pin(answers.frames().map(|m| m.map_err(Error::from))))
    }

    fn request(&self, caller: &Caller, call: Outgoing, failed: &Failed) -> Result<Request<RequestBody>, Error> {
        let uri = self
            .connection
            .endpoint()
            .uri(&call.path)
            .map_err(|_| malformed(&call.path))?;
        let mut request = Request::post(uri)
            .body(request_body(call.payload, failed))
            .map_err(|_| malformed(&call.path))?;
        let wait = (!call.kind.streams_replies()).then_some(self.timeout);
        set_headers(request.headers_mut(), caller, call.codec, wait)?;
        Ok(request)
    }

    async fn exchange(&self, caller: &Caller, call: Outgoing) -> Result<Payload, Error> {
        let failed = Failed::default();
        let streams = call.kind.streams_replies();
        let request = self.request(caller, call, &failed)?;
        let answer = async {
            let answers = self.connection.send(request).await?;
            if streams {
                Ok(Payload::Many(answers))
            } else {
                only(answers).await
            }
        };
        // What broke the request's own side says more than the reset that it caused.
        answer
            .await
            .map_err(|status| failed.take().unwrap_or_else(|| status.into()))
    }
}

#[async_trait]
impl Channel for Client {
    async fn call(&self, caller: &Caller, call: Outgoing) -> Result<Payload, Error> {
        if call.kind == MethodKind::Unary {
            let deadline = Deadline::within(self.timeout);
            let bounded = deadline.bound(async { self.exchange(caller, call).await.map_err(Status::from) });
            return bounded.await.map_err(Error::from);
        }
        self.exchange(caller, call).await
    }
}

/// The one message of an answer, once the status behind it is known to be OK.
async fn only(mut answers: micro_rpc::Frames) -> Result<Payload, Status> {
    let message = answers.next().await.unwrap_or_else(|| Err(no_answer()))?;
    match answers.next().await {
        None => Ok(Payload::One(message)),
        Some(Err(status)) => Err(status),
        Some(Ok(_)) => Err(Status::plain(Code::INTERNAL, "more than one message came back")),
    }
}

fn no_answer() -> Status {
    Status::plain(Code::INTERNAL, "the server ended the call without a message")
}

/// Where the request's side leaves its error.
#[derive(Clone, Default)]
struct Failed(Arc<Mutex<Option<Error>>>);

impl Failed {
    fn put(&self, error: Error) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

fn request_body(payload: Payload, failed: &Failed) -> RequestBody {
    match payload {
        Payload::One(message) => RequestBody::Left(http_body_util::Full::new(micro_rpc::frame(&message))),
        Payload::Many(messages) => {
            let failed = failed.clone();
            RequestBody::Right(http_body_util::StreamBody::new(Box::pin(messages.map(
                move |message| match message {
                    Ok(message) => Ok(hyper::body::Frame::data(micro_rpc::frame(&message))),
                    Err(status) => {
                        failed.put(status.clone().into());
                        Err(status)
                    }
                },
            ))))
        }
    }
}

fn set_headers(into: &mut HeaderMap, caller: &Caller, codec: Codec, wait: Option<Duration>) -> Result<(), Error> {
    micro_rpc::metadata_headers(caller.metadata(), into);
    into.insert(header::CONTENT_TYPE, HeaderValue::from_static(codec.content_type()));
    into.insert(header::TE, HeaderValue::from_static("trailers"));
    into.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(wait) = wait {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        into.insert(TIMEOUT_HEADER, HeaderValue::from(nanos));
    }
    if let Some(token) = caller.bearer() {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| Error::new(Kind::Unauthenticated, ID, "the stored token is malformed: log in again"))?;
        value.set_sensitive(true);
        into.insert(header::AUTHORIZATION, value);
    }
    Ok(())
}

/// `Handler.Method` of a service as a path (reference/micro-wire §1.2).
fn json_call(service: &str, endpoint: &str, kind: MethodKind, body: Bytes) -> Outgoing {
    let path = match endpoint.split_once('.') {
        _ if endpoint.starts_with('/') => endpoint.to_owned(),
        Some((handler, method)) if service.is_empty() => format!("/{handler}/{method}"),
        Some((handler, method)) if !method.contains('.') => format!("/{service}.{handler}/{method}"),
        _ => format!("/{endpoint}"),
    };
    Outgoing {
        path,
        codec: Codec::Json,
        kind,
        payload: Payload::One(body),
    }
}

fn malformed(path: &str) -> Error {
    Error::new(Kind::Invalid, ID, format!("malformed method name: {path:?}"))
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(self.connection.endpoint()).finish()
    }
}

impl Endpoint {
    fn uri(&self, path: &str) -> Result<Uri, http::Error> {
        let scheme = if self.is_tls() { "https" } else { "http" };
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority())
            .path_and_query(path)
            .build()
    }
}
