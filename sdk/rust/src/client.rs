//! Calls to the core and to other services, through the one door this service has (`MICRO_PROXY`).

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::TcpStream,
    sync::{Mutex, Notify},
    time::{Instant, sleep_until},
};

use crate::{
    Error, Streaming,
    body::{Held, Outgoing},
    deadline,
    debug::Debug,
    frame::{self, Codec, Frames, Wire},
    identity::Identity,
    trace::Trace,
};

/// How long a call may take that nobody waits for longer: Micro's default. Streams take as long as they take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What may be sent to us ahead of whoever reads it; and on all streams together, so that one that nobody reads does
/// not hold up the others.
const WINDOWS: (u32, u32) = (256 << 10, 16 << 20);

/// A connection to Micro that mends itself, with this service's identity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    proxy: String,
    namespace: String,
    identity: Identity,
    debug: Arc<Debug>,
    connection: Mutex<Option<SendRequest<Outgoing>>>,
    lost: Notify,
}

/// Whom to call, and what goes along.
pub(crate) struct Call<'c> {
    pub service: &'c str,
    pub endpoint: &'c str,
    pub trace: Trace,
    pub metadata: Vec<(String, String)>,
    pub wire: Wire,
    /// When whoever it is made for stops waiting.
    pub until: Option<Instant>,
}

impl<'c> Call<'c> {
    pub(crate) fn new(service: &'c str, endpoint: &'c str) -> Self {
        Self {
            service,
            endpoint,
            trace: Trace::of(&BTreeMap::new()),
            metadata: vec![],
            wire: Wire::Json,
            until: None,
        }
    }
}

impl Client {
    pub(crate) fn new(proxy: String, namespace: String, identity: Identity, debug: Arc<Debug>) -> Self {
        Self(Arc::new(Inner {
            proxy,
            namespace,
            identity,
            debug,
            connection: Mutex::new(None),
            lost: Notify::new(),
        }))
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Where calls are noted.
    pub(crate) fn debug(&self) -> &Debug {
        &self.0.debug
    }

    /// Returns when a connection was lost: what the other side knew of us may be lost too.
    pub(crate) async fn lost(&self) {
        self.0.lost.notified().await;
    }

    /// A JSON call to the core.
    pub(crate) async fn core<A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        self.call(&Call::new(service, endpoint), request, frame::plain()).await
    }

    /// One message there, one back, as this service itself.
    pub(crate) async fn call<Q, A>(&self, call: &Call<'_>, request: &Q, codec: Codec<A, Q>) -> Result<A, Error> {
        let request = (codec.encode)(call.wire, request)?;
        (codec.decode)(call.wire, &self.exchange(call, request).await?)
    }

    /// Not generic, so that it is compiled once. A token that is refused is renewed, and the call tried once more.
    async fn exchange(&self, call: &Call<'_>, request: Bytes) -> Result<Bytes, Error> {
        let token = self.0.identity.token(self).await?;
        match (self.unary(call, request.clone(), token.as_deref()).await, token) {
            (Err(e), Some(refused)) if e.code == 401 => {
                self.0.identity.forget(&refused).await;
                let token = self.0.identity.token(self).await?;
                self.unary(call, request, token.as_deref()).await
            }
            (done, _) => done,
        }
    }

    /// A call as nobody, or with a token at hand: how the identity gets its token in the first place.
    pub(crate) async fn unary(&self, call: &Call<'_>, request: Bytes, token: Option<&str>) -> Result<Bytes, Error> {
        let until = call.until.unwrap_or_else(|| Instant::now() + TIMEOUT);
        let answer = async {
            let replies = self.open(call, Outgoing::only(request), token, Some(until)).await?;
            replies.one().await
        };
        bound(Some(until), call, answer).await
    }

    /// Any number of messages there, one back.
    pub(crate) async fn gather(&self, call: &Call<'_>, requests: Streaming<Bytes>) -> Result<Bytes, Error> {
        let answer = async { self.begin(call, None, Some(requests)).await?.one().await };
        bound(call.until, call, answer).await
    }

    /// A first message there where one is at hand, and more of them where they are given; any number back.
    pub(crate) async fn stream(
        &self,
        call: &Call<'_>,
        first: Option<Bytes>,
        more: Option<Streaming<Bytes>>,
    ) -> Result<Streaming<Bytes>, Error> {
        let mut replies = bound(call.until, call, self.begin(call, first, more)).await?;
        let what = format!("{} {}", call.service, call.endpoint);
        let mut until = call.until.map(|at| Box::pin(sleep_until(at)));
        Ok(Streaming::polled(move |cx| {
            let next = replies.poll_next(cx).map(Result::transpose);
            let waited = next.is_pending() && until.as_mut().is_some_and(|u| u.as_mut().poll(cx).is_ready());
            if !waited {
                return next;
            }
            replies.end();
            Poll::Ready(Some(Err(deadline::over(&what))))
        }))
    }

    /// A token that is refused is renewed; the call is tried once more where what it sends is still at hand.
    async fn begin(
        &self,
        call: &Call<'_>,
        first: Option<Bytes>,
        more: Option<Streaming<Bytes>>,
    ) -> Result<Replies, Error> {
        let token = self.0.identity.token(self).await?;
        let (body, again, mut held) = match (first, more) {
            (first, Some(more)) => {
                let (body, held) = Outgoing::streaming(first, more);
                (body, None, Some(held))
            }
            (first, None) => {
                let first = first.unwrap_or_default();
                (Outgoing::only(first.clone()), Some(first), None)
            }
        };
        let failed = poll_fn(|cx| held.as_mut().map_or(Poll::Pending, |held| held.poll_failed(cx)));
        let opened = tokio::select! {
            biased;
            e = failed => Err(e),
            opened = self.open(call, body, token.as_deref(), call.until) => opened,
        };
        let refused = match opened {
            Ok(replies) => return Ok(Replies { held, ..replies }),
            Err(e) => e,
        };
        let Some(token) = token.filter(|_| refused.code == 401) else {
            return Err(refused);
        };
        self.0.identity.forget(&token).await;
        let Some(first) = again else { return Err(refused) };
        let token = self.0.identity.token(self).await?;
        self.open(call, Outgoing::only(first), token.as_deref(), call.until)
            .await
    }

    async fn open(
        &self,
        call: &Call<'_>,
        body: Outgoing,
        token: Option<&str>,
        until: Option<Instant>,
    ) -> Result<Replies, Error> {
        let Call {
            service,
            endpoint,
            metadata,
            wire,
            ..
        } = call;
        let (handler, method) = endpoint
            .split_once('.')
            .ok_or_else(|| Error::bad_request(format!("{endpoint:?} is not of the form Handler.Method")))?;
        let wrong = |e: http::Error| Error::bad_request(e.to_string());
        let mut request = Request::post(format!("http://{}/{service}.{handler}/{method}", self.0.proxy))
            .body(body)
            .map_err(wrong)?;
        let headers = request.headers_mut();
        for (name, value) in metadata {
            insert(headers, name, value).map_err(wrong)?;
        }
        // After what the service says, so that it cannot say these.
        insert(headers, "content-type", wire.content_type()).map_err(wrong)?;
        insert(headers, "te", "trailers").map_err(wrong)?;
        insert(headers, "micro-namespace", &self.0.namespace).map_err(wrong)?;
        headers.remove(deadline::TIMEOUT);
        headers.remove(header::AUTHORIZATION);
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now()).as_nanos();
            insert(headers, deadline::TIMEOUT, &left.to_string()).map_err(wrong)?;
        }
        if let Some(token) = token {
            insert(headers, "authorization", &format!("Bearer {token}")).map_err(wrong)?;
        }
        let (head, body) = self.connection().await?.send_request(request).await?.into_parts();
        match status(&head.headers) {
            Some(Err(e)) => Err(e),
            ended => Ok(Replies {
                frames: Frames::new(body),
                held: None,
                ended: ended.is_some(),
            }),
        }
    }

    async fn connection(&self) -> Result<SendRequest<Outgoing>, Error> {
        let mut slot = self.0.connection.lock().await;
        if let Some(open) = slot.as_ref().filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        let unreachable = |e: std::io::Error| Error::new(503, format!("connecting to Micro at {}: {e}", self.0.proxy));
        let stream = TcpStream::connect(&self.0.proxy).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        http2
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1);
        let (sender, connection) = http2.handshake(TokioIo::new(stream)).await?;
        // Weak: the connection ends when nobody holds the client any more.
        let client = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            connection.await.ok();
            if let Some(client) = client.upgrade() {
                client.lost.notify_one();
            }
        });
        *slot = Some(sender.clone());
        Ok(sender)
    }
}

async fn bound<T>(
    until: Option<Instant>,
    call: &Call<'_>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    deadline::bound(until, &format!("{} {}", call.service, call.endpoint), work).await
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), http::Error> {
    headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    Ok(())
}

/// The messages that come back; an error status is the last of them.
struct Replies {
    frames: Frames,
    /// Where the request goes on.
    held: Option<Held>,
    ended: bool,
}

impl Replies {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The only one.
    async fn one(mut self) -> Result<Bytes, Error> {
        let message = self.next().await?.unwrap_or_default();
        while self.next().await?.is_some() {}
        Ok(message)
    }

    /// Nobody waits for what comes.
    fn end(&mut self) {
        self.ended = true;
        self.held = None;
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let next = match self.held.as_mut().map(|held| held.poll_failed(cx)) {
            Some(Poll::Ready(e)) => Err(e),
            _ => ready!(self.frames.poll_next(cx)),
        };
        if let Ok(Some(message)) = next {
            return Poll::Ready(Ok(Some(message)));
        }
        self.end();
        Poll::Ready(next.and_then(|_| {
            let trailers = self.frames.trailers.take().unwrap_or_default();
            let unfinished = || Err(Error::new(503, "the reply ended without a status"));
            status(&trailers).unwrap_or_else(unfinished).map(|()| None)
        }))
    }
}

/// The gRPC status in headers or trailers, if it is there.
fn status(headers: &HeaderMap) -> Option<Result<(), Error>> {
    let code = headers.get("grpc-status")?.to_str().ok()?;
    if code == "0" {
        return Some(Ok(()));
    }
    let message = headers
        .get("grpc-message")
        .map(|m| percent_decode(m.as_bytes()))
        .unwrap_or_default();
    Some(Err(
        serde_json::from_str(&message).unwrap_or_else(|_| Error::new(500, message))
    ))
}

/// Undoes gRPC's percent-encoding; what is not an escape stays as it is.
fn percent_decode(text: &[u8]) -> String {
    let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [a, b, after @ ..]) if hex(*a).is_some() && hex(*b).is_some() => {
                out.push(hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0));
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_the_status_message() {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-status", "5".parse().expect("valid"));
        headers.insert(
            "grpc-message",
            r#"{"Id":"a","Code":404,"Detail":"100%25 gone","Status":"Not Found"}"#
                .parse()
                .expect("valid"),
        );
        let e = status(&headers).expect("there").expect_err("an error");
        assert_eq!((e.code, e.detail.as_str()), (404, "100% gone"));
    }

    #[test]
    fn a_stray_percent_sign_stays() {
        assert_eq!(percent_decode(b"50% of %zz%2"), "50% of %zz%2");
    }
}
