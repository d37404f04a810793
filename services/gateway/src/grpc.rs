//! The gRPC doors, and gRPC-Web in front of them.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header, uri::PathAndQuery};
use hyper::body::Incoming;
use micro_error::{Error, Kind as ErrorKind};
use micro_rpc::{Call, Code, Codec, Deadline, MethodKind, Path, Payload, Status, deframe_within, metadata, server};
use tower::{Layer, Service, service_fn};

use crate::{
    accept::Peer,
    api, core,
    edge::{Admitted, EdgeCore, Refused, Target},
    forward::{Answer, Forward},
    held::{self, Held, Pass},
    hop::{self, Passed},
    outcome::{self, Running},
    reply::{self, Reply},
};

/// What a request says it is.
pub enum Kind {
    Grpc,
    /// gRPC-Web, a browser's preflight for it included.
    Web,
}

pub fn kind(headers: &HeaderMap) -> Option<Kind> {
    match headers.get(header::CONTENT_TYPE)?.to_str().ok()? {
        t if t.starts_with("application/grpc-web") => Some(Kind::Web),
        t if t.starts_with("application/grpc") => Some(Kind::Grpc),
        _ => None,
    }
}

/// Answers one gRPC call.
pub async fn answer<B>(core: &EdgeCore, peer: &Peer, request: Request<B>) -> Response<Reply>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let asked = path_of(request.uri());
    let path = asked.path();
    let mut running = Running::begin(&peer.door, asked.clone(), &core.edge.ports.metrics);
    let codec = server::codec_of(request.headers()).unwrap_or(Codec::Proto);
    match route(core, peer, &asked, request, &mut running).await {
        Ok(Routed::Forwarded(response, held, pass)) => running.follow(response, held, pass),
        Ok(Routed::Elsewhere(response)) => running.follow(response, (), None),
        Ok(Routed::Called(outcome, held)) => {
            // Plain statuses speak of what was asked: no such method, a message that cannot be read.
            if matches!(outcome, Err(Status::Plain { .. })) {
                running.blame(outcome::REFUSED);
            }
            running.follow(server::respond(codec, path, outcome), held, None)
        }
        Err(refused) => {
            if matches!(refused, Refused::NoRoute(_)) {
                running.blame(outcome::REFUSED);
            }
            running.follow(server::respond(codec, path, Err(refused.into())), (), None)
        }
    }
}

/// A request's path, shared with it; without a query, which no call has.
fn path_of(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        Some(path) if path.query().is_none() => path.clone(),
        _ => PathAndQuery::try_from(uri.path()).unwrap_or_else(|_| PathAndQuery::from_static("/")),
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every call is the long one: a box would be made for each"
)]
enum Routed<B> {
    /// By a node.
    Forwarded(Response<Answer<B>>, Held, Option<Pass>),
    /// By another replica.
    Elsewhere(Response<Reply>),
    /// By a service of this process.
    Called(Result<Payload, Status>, Held),
}

async fn route<B>(
    core: &EdgeCore,
    peer: &Peer,
    asked: &PathAndQuery,
    request: Request<B>,
    running: &mut Running,
) -> Result<Routed<B>, Refused>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let path = asked.path();
    let malformed = || Status::plain(Code::INVALID_ARGUMENT, format!("malformed method name: {path:?}"));
    let parsed = Path::parse(path).ok_or_else(malformed)?;
    if parsed.service.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "go.micro.proxy", "service name is blank").into());
    }
    let (head, body) = request.into_parts();
    let deadline = Deadline::of(&head.headers);
    let (head, body) = match hop::is_here(core, peer, parsed)? {
        true => (head, body),
        false => match hop::elsewhere(core, peer, deadline, head, body).await? {
            Passed::Back(head, body) => (head, body),
            Passed::Answered(response) => return Ok(Routed::Elsewhere(response)),
        },
    };
    let admitting = async { Ok(core.edge.admit(peer, &head.headers, None, parsed).await) };
    let Admitted { asker, target, held } = deadline.bound(admitting).await??;
    let pass = core.pass(peer, &asker);
    match target {
        Target::Core(service) => {
            let codec = server::codec_of(&head.headers).ok_or_else(|| unsupported(&head.headers, parsed.service))?;
            let payer = asker.principal.as_ref().map(|p| p.namespace.id);
            let mut metadata = metadata(&head.headers);
            metadata.insert("remote".into(), peer.remote());
            let mut frames = deframe_within(body, core.edge.room(&asker));
            // What is sent for long is heard for as long only as its sender may speak.
            let method = service.descriptor().method(parsed.method);
            if method.is_some_and(|m| matches!(m.kind, MethodKind::ClientStream | MethodKind::Bidi)) {
                frames = held::until_revoked(frames, pass.clone());
            }
            let call = Call {
                caller: asker.caller(&core.edge.ports, metadata),
                method: parsed.method.to_owned(),
                codec,
                payload: Payload::Many(frames),
            };
            // Boxed, for calls that are forwarded are many more.
            let outcome = Box::pin(core::call(&core.edge, service, call, deadline, &held)).await;
            match outcome {
                Ok(Payload::Many(frames)) => {
                    let frames = held::until_revoked(frames, pass);
                    Ok(Routed::Called(Ok(Payload::Many(frames)), held))
                }
                Ok(Payload::One(message)) => {
                    let held = core.edge.room_to_answer(payer, held, message.len())?;
                    Ok(Routed::Called(Ok(Payload::One(message)), held))
                }
                Err(status) => Ok(Routed::Called(Err(status), held)),
            }
        }
        Target::Nodes { namespace, nodes } => {
            running.blame(outcome::SERVICE_FAILED);
            let forward = Forward {
                core,
                namespace: &namespace,
                service: parsed.service,
                nodes: &nodes,
                deadline,
            };
            let sending = pin!(forward.send(asked, &head.headers, &asker, body));
            let response = held::unless_revoked(sending, pass.as_ref()).await?;
            Ok(Routed::Forwarded(response, held, pass))
        }
    }
}

fn unsupported(headers: &HeaderMap, service: &str) -> Status {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    Error::new(
        ErrorKind::Internal,
        service,
        format!("Unsupported Content-Type: {given}"),
    )
    .into()
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send + 'a>>;

/// Answers one gRPC-Web call: the same, in the framing that browsers can read.
pub async fn answer_web(core: &EdgeCore, peer: &Peer, request: Request<Incoming>) -> Response<Reply> {
    let inner = service_fn(|request: Request<tonic::body::Body>| -> Answering<'_> {
        Box::pin(async move { Ok(answer(core, peer, request).await) })
    });
    let Ok(response) = tonic_web::GrpcWebLayer::new().layer(inner).call(request).await;
    let mut response = response.map(reply::settled);
    api::allow_every_origin(response.headers_mut());
    let exposed = HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}
