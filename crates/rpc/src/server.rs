//! Answering calls over HTTP/2: from a request to a [`Service`] and back.

use std::{any::Any, collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use micro_error::{Error, Kind};
use micro_tenancy::Caller;

use crate::{Body, Call, Code, Codec, Deadline, Path, Payload, Service, Status, deframe, metadata};

/// Services by registry name and handler.
#[derive(Clone, Default)]
pub struct Router {
    services: HashMap<String, HashMap<&'static str, Arc<dyn Service>>>,
}

impl Router {
    /// The same router, answering for one service more under its own name.
    #[must_use]
    pub fn with(self, service: Arc<dyn Service>) -> Self {
        let name = service.descriptor().package;
        self.with_name(name, service)
    }

    /// The same router, answering for a service under another name (`go.micro.service.signup`).
    #[must_use]
    pub fn with_name(mut self, name: &str, service: Arc<dyn Service>) -> Self {
        self.services
            .entry(name.to_owned())
            .or_default()
            .insert(service.descriptor().name, service);
        self
    }

    /// Whether anything answers under that name.
    pub fn serves(&self, name: &str) -> bool {
        self.services.contains_key(name)
    }

    /// The names that are answered for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// Who answers a path.
    pub fn find(&self, path: Path<'_>) -> Result<&Arc<dyn Service>, Status> {
        self.services
            .get(path.service)
            .and_then(|handlers| handlers.get(path.handler))
            .ok_or_else(|| Status::unknown_handler(path.handler))
    }

    /// Answers one HTTP request by its path.
    pub async fn answer<B>(&self, caller: Caller, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (head, body) = request.into_parts();
        let Some(codec) = codec_of(&head.headers) else {
            return unsupported(&head.headers);
        };
        let path = head.uri.path().to_owned();
        let Some(parsed) = Path::parse(&path) else {
            let status = Status::plain(Code::INVALID_ARGUMENT, format!("malformed method name: {path:?}"));
            return respond(codec, &path, Err(status));
        };
        let service = match self.find(parsed) {
            Ok(service) => service,
            Err(status) => return respond(codec, &path, Err(status)),
        };
        let call = Call {
            caller: caller.with_metadata(metadata(&head.headers)),
            method: parsed.method.to_owned(),
            codec,
            payload: Payload::Many(deframe(body)),
        };
        let outcome = run(&**service, call, Deadline::of(&head.headers)).await;
        respond(codec, &path, outcome)
    }
}

/// The codec that a request's content type names.
pub fn codec_of(headers: &http::HeaderMap) -> Option<Codec> {
    headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(Codec::of_content_type)
}

/// Makes one call, within its deadline. A handler that panics fails this call and nothing else.
pub async fn run(service: &dyn Service, call: Call, deadline: Deadline) -> Result<Payload, Status> {
    let work = AssertUnwindSafe(service.call(call))
        .catch_unwind()
        .map(|done| done.unwrap_or_else(|p| Err(panicked(p))));
    let payload = deadline.bound(work).await?;
    Ok(deadline.bound_payload(guarded(payload)))
}

fn guarded(payload: Payload) -> Payload {
    match payload {
        Payload::One(message) => Payload::One(message),
        Payload::Many(frames) => Payload::Many(Box::pin(
            AssertUnwindSafe(frames)
                .catch_unwind()
                .map(|item| item.unwrap_or_else(|p| Err(panicked(p)))),
        )),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("panic recovered")]
struct Panicked;

/// What the panic said stays out of every answer; the panic hook has logged it.
fn panicked(_: Box<dyn Any + Send>) -> Status {
    Error::internal(Panicked).into()
}

/// The HTTP answer to a call. An error of ours is logged here, once, with its causes.
pub fn respond(codec: Codec, path: &str, outcome: Result<Payload, Status>) -> Response<Body> {
    let content_type = HeaderValue::from_static(codec.content_type());
    let mut response = match outcome {
        Ok(Payload::One(message)) => Response::new(Body::one(&message)),
        Ok(payload) => {
            let path = path.to_owned();
            Response::new(Body::of(payload, Box::new(move |status| log_internal(&path, status))))
        }
        Err(status) => {
            log_internal(path, &status);
            let mut response = Response::new(Body::empty());
            status.write(response.headers_mut());
            response
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Logs an error of ours with its chain of causes; callers' own mistakes are theirs.
pub fn log_internal(path: &str, status: &Status) {
    if let Status::Error(error) = status
        && error.kind() == Kind::Internal
        && std::error::Error::source(error).is_some()
    {
        tracing::error!(rpc.path = path, error = ?error, "a call failed");
    }
}

/// HTTP 415, as gRPC prescribes for what is not gRPC; with upstream's words for what claims to be.
fn unsupported(headers: &http::HeaderMap) -> Response<Body> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let mut response = Response::new(Body::empty());
    if given.starts_with("application/grpc") {
        let text = format!("Unsupported Content-Type: {given}");
        Status::from(Error::new(Kind::Internal, "go.micro.server", text)).write(response.headers_mut());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(Codec::Proto.content_type()));
    } else {
        *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    response
}
