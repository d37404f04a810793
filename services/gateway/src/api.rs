//! The HTTP API: paths are endpoints, queries, forms and JSON bodies are requests (reference/micro-wire §7).

mod params;
mod path;
mod request;
mod response;

use std::pin::pin;

use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use micro_error::{Error, Kind};
use micro_rpc::{Call, Deadline, MethodKind, Path, Payload, Status, deframe, frame, metadata};

use crate::{
    accept::Peer,
    bounds, core,
    door::Door,
    edge::{Admitted, EdgeCore, Refused, Target},
    forward::Forward,
    held,
    hop::{self, Passed},
    outcome::{self, Running},
    reply::{self, Reply},
};
use path::Endpoint;
use request::{Asked, wants_lines};

/// Micro's id for this door's errors.
const ID: &str = "go.micro.api";

/// What this door answers by itself. Every other path names an endpoint.
pub static OWN_PATHS: [OwnPath; 2] = [
    OwnPath {
        path: "/",
        answer: |core| version(&core.edge.version),
    },
    OwnPath {
        path: "/favicon.ico",
        answer: |_| Response::new(reply::empty()),
    },
];

/// One path that is no endpoint, and what it says to everybody.
pub struct OwnPath {
    /// All of it.
    pub path: &'static str,
    answer: fn(&EdgeCore) -> Response<Reply>,
}

/// Answers one HTTP request that is not gRPC.
pub async fn answer(core: &EdgeCore, peer: &Peer, request: Request<Incoming>) -> Response<Reply> {
    let asked = request.uri().path_and_query().cloned();
    let asked = asked.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let own = OWN_PATHS.iter().find(|own| own.path == asked.path());
    let mut running = Running::begin(&peer.door, asked, &core.edge.ports.metrics);
    let mut response = match (&*peer.door, request.method(), own) {
        (_, &Method::OPTIONS, _) => Response::new(reply::empty()),
        // Only the HTTP API takes requests that are not gRPC.
        (Door::Proxy | Door::Instance(_), ..) => response::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &Error::new(Kind::Invalid, ID, "this door speaks gRPC"),
        ),
        (_, _, Some(own)) => (own.answer)(core),
        (_, _, None) => called(core, peer, request, &mut running).await,
    };
    allow_every_origin(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(running.id()) {
        response.headers_mut().insert("x-request-id", id);
    }
    running.end_http(response.status().as_u16());
    response
}

/// A page of another site asked. No origin is allowed: it does not even learn what stands here.
pub fn not_meant() -> Response<Reply> {
    let text = "this is somebody's own server: it answers to this machine, not to pages of other sites";
    response::error(StatusCode::FORBIDDEN, &Error::new(Kind::Forbidden, ID, text))
}

fn version(version: &str) -> Response<Reply> {
    let mut response = Response::new(reply::full(format!("{{\"version\": \"{version}\"}}")));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

async fn called(core: &EdgeCore, peer: &Peer, request: Request<Incoming>, running: &mut Running) -> Response<Reply> {
    let path = request.uri().path().to_owned();
    match call(core, peer, request, running).await {
        Ok(response) => response,
        Err(Refused::NoRoute(service)) => {
            let text = format!("service {service}: route not found");
            response::error(StatusCode::NOT_FOUND, &Error::new(Kind::NotFound, ID, text))
        }
        Err(Refused::Status(status)) => {
            micro_rpc::server::log_internal(&path, &status);
            response::failed(status)
        }
    }
}

async fn call(
    core: &EdgeCore,
    peer: &Peer,
    request: Request<Incoming>,
    running: &mut Running,
) -> Result<Response<Reply>, Refused> {
    let nothing = || Error::new(Kind::NotFound, ID, "the path names no endpoint: use /service/endpoint");
    let path = Endpoint::of(request.uri().path()).ok_or_else(nothing)?.path();
    let target = Path::parse(&path).ok_or_else(nothing)?;
    let (head, body) = request.into_parts();
    let asked_for = Deadline::of(&head.headers);
    let (head, body) = match hop::is_here(core, peer, target)? {
        true => (head, body),
        false => match hop::elsewhere(core, peer, asked_for, head, body).await? {
            Passed::Back(head, body) => (head, body),
            Passed::Answered(response) => return Ok(response),
        },
    };
    let lines = wants_lines(&head.headers);
    let host = head
        .uri
        .host()
        .or_else(|| head.headers.get(header::HOST)?.to_str().ok());
    let deadline = if lines {
        asked_for
    } else {
        asked_for.or_within(bounds::API_TIMEOUT)
    };
    let admitting = async { Ok(core.edge.admit(peer, &head.headers, host, target).await) };
    let Admitted {
        asker,
        target: to,
        held,
    } = deadline.bound(admitting).await??;
    let pass = core.pass(peer, &asker);

    let limit = match &to {
        Target::Core(_) => core.edge.longest(&asker),
        Target::Nodes { .. } => core.edge.limits().body_bytes,
    };
    let payer = match (&to, &asker.principal) {
        (Target::Nodes { namespace, .. }, _) => Some(namespace.id),
        (Target::Core(_), principal) => principal.as_ref().map(|p| p.namespace.id),
    };
    let room = |bytes| payer.map_or(Ok(None), |payer| core.edge.room_for(payer, bytes));
    let reading = async { Ok(Asked::read(&head, body, limit, room).await?) };
    let asked = deadline.bound(reading).await?;
    let codec = asked.codec;
    match to {
        Target::Core(service) => {
            let kind = service
                .descriptor()
                .method(target.method)
                .map_or(MethodKind::Unary, |m| m.kind);
            let deadline = if kind.streams_replies() { asked_for } else { deadline };
            let mut metadata = metadata(&head.headers);
            metadata.insert("remote".into(), peer.remote());
            let call = Call {
                caller: asker.caller(&core.edge.ports, metadata),
                method: target.method.to_owned(),
                codec,
                payload: Payload::One(asked.body),
            };
            let payload = Box::pin(core::call(&core.edge, service, call, deadline, &held)).await?;
            let payload = match logged(head.uri.path(), payload) {
                Payload::Many(frames) => Payload::Many(held::until_revoked(frames, pass)),
                one @ Payload::One(_) => one,
            };
            let room = |bytes| core.edge.room_to_answer(payer, held, bytes);
            Ok(response::of(payload, codec, kind.streams_replies(), room).await?)
        }
        Target::Nodes { namespace, nodes } => {
            running.blame(outcome::SERVICE_FAILED);
            let forward = Forward {
                core,
                namespace: &namespace,
                service: target.service,
                nodes: &nodes,
                deadline,
            };
            let headers = request::node_headers(&head, codec);
            let path = PathAndQuery::try_from(path.as_str()).map_err(|_| nothing())?;
            let sending = pin!(forward.send(&path, &headers, &asker, Full::new(frame(&asked.body))));
            let answer = held::unless_revoked(sending, pass.as_ref()).await?;
            if let Some(status) = Status::read(answer.headers()) {
                return Err(status.into());
            }
            if answer.status() != StatusCode::OK {
                return Err(Error::new(Kind::Unavailable, ID, "the service does not answer in gRPC").into());
            }
            // One answer is bounded by its deadline.
            let pass = pass.filter(|_| lines);
            let frames = held::until_revoked(deframe(answer.into_body().boxed_unsync()), pass);
            let room = |bytes| core.edge.room_to_answer(payer, held, bytes);
            Ok(response::of(Payload::Many(frames), codec, lines, room).await?)
        }
    }
}

/// The same messages; an error of ours that ends them is logged here, where it leaves.
fn logged(path: &str, payload: Payload) -> Payload {
    let path = path.to_owned();
    match payload {
        Payload::One(message) => Payload::One(message),
        Payload::Many(frames) => Payload::Many(Box::pin(frames.inspect_err(move |status| {
            micro_rpc::server::log_internal(&path, status);
        }))),
    }
}

/// Any page may call, with a token that it holds itself: no cookie opens this door, so no origin is special.
pub fn allow_every_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, PATCH, GET, OPTIONS, PUT, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Accept, Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, Micro-Namespace, \
             Timeout, X-Grpc-Web, X-User-Agent, Grpc-Timeout",
        ),
    );
}
