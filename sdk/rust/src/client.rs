//! Calls to the core and to other services, through the one door this service has (`MICRO_PROXY`).

use std::{
    future::poll_fn,
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
    sync::{Mutex, Notify, mpsc},
};

use crate::{
    Error, Streaming,
    body::Outgoing,
    frame::{self, Codec, Frames, Wire},
    identity::Identity,
};

/// How long a call may take: Micro's default. Streams take as long as they take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to Micro that mends itself, with this service's identity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    proxy: String,
    namespace: String,
    identity: Identity,
    connection: Mutex<Option<SendRequest<Outgoing>>>,
    lost: Notify,
}

/// Whom to call, and what goes along.
pub(crate) struct Call<'c> {
    pub service: &'c str,
    pub endpoint: &'c str,
    pub metadata: &'c [(String, String)],
    pub wire: Wire,
}

impl<'c> Call<'c> {
    pub(crate) fn new(service: &'c str, endpoint: &'c str) -> Self {
        Self {
            service,
            endpoint,
            metadata: &[],
            wire: Wire::Json,
        }
    }
}

/// Messages that a call sends after its first.
pub(crate) type More = mpsc::Receiver<Bytes>;

impl Client {
    pub(crate) fn new(proxy: String, namespace: String, identity: Identity) -> Self {
        Self(Arc::new(Inner {
            proxy,
            namespace,
            identity,
            connection: Mutex::new(None),
            lost: Notify::new(),
        }))
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
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
        match self.unary(call, request.clone(), token.as_deref()).await {
            Err(e) if e.code == 401 && token.is_some() => {
                self.0.identity.forget().await;
                let token = self.0.identity.token(self).await?;
                self.unary(call, request, token.as_deref()).await
            }
            done => done,
        }
    }

    /// A call as nobody, or with a token at hand: how the identity gets its token in the first place.
    pub(crate) async fn unary(&self, call: &Call<'_>, request: Bytes, token: Option<&str>) -> Result<Bytes, Error> {
        let answer = async {
            let mut replies = self
                .open(call, Outgoing::new(request, None), token, Some(TIMEOUT))
                .await?;
            let message = replies.next().await?.unwrap_or_default();
            while replies.next().await?.is_some() {}
            Ok(message)
        };
        tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| {
            let Call { service, endpoint, .. } = call;
            Err(Error::new(
                408,
                format!("{service} {endpoint} took longer than {TIMEOUT:?}"),
            ))
        })
    }

    /// One message there, and more of them where `more` is given; any number back.
    pub(crate) async fn stream<Q, A: 'static>(
        &self,
        call: &Call<'_>,
        request: &Q,
        more: Option<More>,
        codec: Codec<A, Q>,
    ) -> Result<Streaming<A>, Error> {
        let (request, wire) = ((codec.encode)(call.wire, request)?, call.wire);
        let token = self.0.identity.token(self).await?;
        let mut replies = self
            .open(call, Outgoing::new(request, more), token.as_deref(), None)
            .await?;
        Ok(Streaming::polled(move |cx| {
            let next = replies.poll_next(cx);
            next.map(|message| message.transpose().map(|m| m.and_then(|m| (codec.decode)(wire, &m))))
        }))
    }

    async fn open(
        &self,
        call: &Call<'_>,
        body: Outgoing,
        token: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<Replies, Error> {
        let Call {
            service,
            endpoint,
            metadata,
            wire,
        } = call;
        let (handler, method) = endpoint
            .split_once('.')
            .ok_or_else(|| Error::bad_request(format!("{endpoint:?} is not of the form Handler.Method")))?;
        let wrong = |e: http::Error| Error::bad_request(e.to_string());
        let mut request = Request::post(format!("http://{}/{service}.{handler}/{method}", self.0.proxy))
            .body(body)
            .map_err(wrong)?;
        let headers = request.headers_mut();
        for (name, value) in *metadata {
            insert(headers, name, value).map_err(wrong)?;
        }
        // After what the service says, so that it cannot say these.
        insert(headers, "content-type", wire.content_type()).map_err(wrong)?;
        insert(headers, "te", "trailers").map_err(wrong)?;
        insert(headers, "micro-namespace", &self.0.namespace).map_err(wrong)?;
        headers.remove("timeout");
        headers.remove(header::AUTHORIZATION);
        if let Some(timeout) = timeout {
            insert(headers, "timeout", &timeout.as_nanos().to_string()).map_err(wrong)?;
        }
        if let Some(token) = token {
            insert(headers, "authorization", &format!("Bearer {token}")).map_err(wrong)?;
        }
        let (head, body) = self.connection().await?.send_request(request).await?.into_parts();
        match status(&head.headers) {
            Some(Err(e)) => Err(e),
            ended => Ok(Replies {
                frames: Frames::new(body),
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
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
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

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), http::Error> {
    headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    Ok(())
}

/// The messages that come back; an error status is the last of them.
struct Replies {
    frames: Frames,
    ended: bool,
}

impl Replies {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let next = ready!(self.frames.poll_next(cx));
        if let Ok(Some(message)) = next {
            return Poll::Ready(Ok(Some(message)));
        }
        self.ended = true;
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
