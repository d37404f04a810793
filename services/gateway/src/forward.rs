//! Passing a call on to a node, on the `h2` crate directly: no task and no channel for a call.

mod answer;
mod meter;
mod pool;
mod pump;

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use bytes::Bytes;
use h2::client::ResponseFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::Body;
use micro_domain::Namespace;
use micro_error::{Error, Kind};
use micro_rpc::{Deadline, Status, TIMEOUT_HEADER, mesh::Node};

pub use answer::Answer;
pub use meter::Meter;
pub use pool::Pool;

use crate::{bounds, edge::EdgeCore, identity::Asker};
use pool::Lease;
pub use pump::Pump;

/// Which namespace was called.
const NAMESPACE: HeaderName = HeaderName::from_static("micro-namespace");

/// Belong to one hop, or to us.
const NOT_FORWARDED: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    NAMESPACE,
];

/// Headers of ours, at most.
const OURS: usize = 4;

/// A call on its way to a node of a namespace's service.
pub struct Forward<'a> {
    pub core: &'a EdgeCore,
    pub namespace: &'a Namespace,
    pub service: &'a str,
    pub nodes: &'a [Node],
    pub deadline: Deadline,
}

impl Forward<'_> {
    /// The headers that the node sees: the caller's, without its credentials and with ours.
    fn headers(&self, callers: &HeaderMap, asker: &Asker) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(callers.len() + OURS);
        for (name, value) in callers.iter().filter(|(name, _)| is_forwarded(name)) {
            headers.append(name.clone(), value.clone());
        }
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Ok(name) = HeaderValue::from_str(self.namespace.name.as_str()) {
            headers.insert(NAMESPACE, name);
        }
        if let Some(left) = self.deadline.remaining() {
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            headers.insert(TIMEOUT_HEADER, HeaderValue::from(nanos));
        }
        let edge = &self.core.edge;
        let now = edge.ports.clock.now();
        if let Some(token) = edge.exchanged.header(asker, self.namespace, self.service, now) {
            headers.insert(header::AUTHORIZATION, token);
        }
        headers
    }

    /// Sends a call, with the headers that its caller sent, to one of the nodes; to another where one is known not to
    /// have looked at it.
    pub async fn send<B>(
        &self,
        path: &PathAndQuery,
        callers: &HeaderMap,
        asker: &Asker,
        body: B,
    ) -> Result<Response<Answer<B>>, Status>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut pump = Pump::of(body);
        let first = self.core.pool().turn();
        let mut last = None;
        for at in 0..bounds::TRIES.max(self.nodes.len()) {
            let node = &self.nodes[(first + at) % self.nodes.len()];
            let leasing = async { Ok(self.core.pool().lease(self.namespace.id, node).await) };
            let mut lease = match self.deadline.bound(leasing).await? {
                Ok(lease) => lease,
                Err(why) => {
                    last = Some(why);
                    continue;
                }
            };
            let request = request(path, self.headers(callers, asker))?;
            let Ok((response, stream)) = lease.sender.send_request(request, pump.is_empty()) else {
                continue;
            };
            pump.attach(stream);
            match self.deadline.bound(response_of(response, &mut pump)).await? {
                Ok(response) => {
                    let (head, receive) = response.into_parts();
                    return Ok(Response::from_parts(
                        head,
                        Answer::new(receive, pump, self.deadline, lease),
                    ));
                }
                Err(why) if untouched(&why) && pump.rewind() => last = Some(io::Error::other(why)),
                Err(why) => return Err(self.lost(&io::Error::other(why)).into()),
            }
        }
        Err(self
            .lost(&last.unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
            .into())
    }

    fn lost(&self, why: &io::Error) -> Error {
        let why = match why.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::TimedOut => "no connection in time".to_owned(),
            io::ErrorKind::NotConnected => "no node takes requests".to_owned(),
            _ => "the connection was lost".to_owned(),
        };
        Error::new(
            Kind::Unavailable,
            "go.micro.client",
            format!("service {}: {why}", self.service),
        )
    }
}

/// Waits for the answer's head, pumping the request meanwhile.
pub async fn response_of<B>(
    response: ResponseFuture,
    pump: &mut Pump<B>,
) -> Result<Result<Response<h2::RecvStream>, h2::Error>, Status>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut response = pin!(response);
    poll_fn(|cx| {
        if let Poll::Ready(Err(refused)) = pump.poll(cx) {
            return Poll::Ready(Err(refused));
        }
        response.as_mut().poll(cx).map(Ok)
    })
    .await
}

fn is_forwarded(name: &HeaderName) -> bool {
    let of_one_hop = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "grpc-timeout" | TIMEOUT_HEADER
        )
    };
    !NOT_FORWARDED.contains(name) && !of_one_hop(name)
}

fn request(path: &PathAndQuery, headers: HeaderMap) -> Result<Request<()>, Status> {
    let malformed = |_| Status::from(Error::new(Kind::Invalid, "go.micro.proxy", "malformed method name"));
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static("micro"));
    parts.path_and_query = Some(path.clone());
    let uri = Uri::from_parts(parts).map_err(malformed)?;
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Whether the node says that it never looked at the call.
fn untouched(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let leaving = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    error.is_remote() && (refused || leaving)
}
