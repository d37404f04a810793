//! Bodies that go out: a message and perhaps more of them, and on the server's side the status at the end.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use crate::{Error, Streaming, deadline};

/// Messages that are at hand travel in one piece, up to so many bytes: HTTP/2 ends the connection of who sends many
/// small ones.
const TOGETHER: usize = 16 << 10;

struct Together {
    messages: Option<Streaming<Bytes>>,
    failed: Option<Error>,
}

impl Together {
    fn new(messages: Streaming<Bytes>) -> Self {
        Self {
            messages: Some(messages),
            failed: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut held = BytesMut::new();
        while let Some(messages) = self.messages.as_mut().filter(|_| held.len() < TOGETHER) {
            match Pin::new(messages).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) if held.is_empty() && message.len() >= TOGETHER => {
                    return Poll::Ready(Some(Ok(message)));
                }
                Poll::Ready(Some(Ok(message))) => held.extend_from_slice(&message),
                Poll::Ready(ended) => {
                    self.failed = ended.and_then(Result::err);
                    self.messages = None;
                }
                Poll::Pending if held.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(match held.is_empty() {
            true => self.failed.take().map(Err),
            false => Some(Ok(held.freeze())),
        })
    }
}

/// A request: its messages, the first of which may be at hand.
pub(crate) struct Outgoing {
    first: Option<Bytes>,
    more: Option<More>,
}

/// Messages as they come, for as long as somebody is there for the replies.
struct More {
    messages: Together,
    hung_up: oneshot::Receiver<Infallible>,
    failed: Option<oneshot::Sender<Error>>,
}

/// The replies' side of a request that goes on: the call ends when it is dropped.
pub(crate) struct Held {
    _hang_up: oneshot::Sender<Infallible>,
    failed: oneshot::Receiver<Error>,
}

impl Outgoing {
    /// One message.
    pub(crate) fn only(first: Bytes) -> Self {
        Self {
            first: Some(first),
            more: None,
        }
    }

    /// Messages as they come; an error among them ends the call.
    pub(crate) fn streaming(first: Option<Bytes>, messages: Streaming<Bytes>) -> (Self, Held) {
        let (hang_up, hung_up) = oneshot::channel();
        let (fail, failed) = oneshot::channel();
        let more = More {
            messages: Together::new(messages),
            hung_up,
            failed: Some(fail),
        };
        let held = Held {
            _hang_up: hang_up,
            failed,
        };
        (
            Self {
                first,
                more: Some(more),
            },
            held,
        )
    }
}

impl Held {
    /// What ended the request, where that was its own error.
    pub(crate) fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match self.failed.is_terminated() {
            true => Poll::Pending,
            false => match ready!(Pin::new(&mut self.failed).poll(cx)) {
                Ok(e) => Poll::Ready(e),
                // All was said.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl More {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let cancelled = || h2::Error::from(h2::Reason::CANCEL);
        if Pin::new(&mut self.hung_up).poll(cx).is_ready() {
            return Poll::Ready(Some(Err(cancelled())));
        }
        let next = ready!(self.messages.poll_next(cx));
        Poll::Ready(next.map(|message| {
            message.map_err(|e| {
                // Where nobody waits for it any more, nobody needs it.
                self.failed.take().map(|failed| failed.send(e));
                cancelled()
            })
        }))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let next = match (self.first.take(), &mut self.more) {
            (Some(first), _) => Some(Ok(first)),
            (None, Some(more)) => ready!(more.poll_next(cx)),
            (None, None) => None,
        };
        Poll::Ready(next.map(|message| message.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.more.is_none()
    }
}

/// What a handler answered.
pub(crate) enum Answer {
    One(Bytes),
    Many(Streaming<Bytes>),
}

/// What of it is to be sent yet.
enum Rest {
    One(Bytes),
    Many(Together),
}

/// A reply: its messages, then the status as trailers.
pub(crate) struct Reply {
    /// Who errors are from.
    id: String,
    messages: Option<Rest>,
    status: Option<HeaderMap>,
    /// When the caller stops waiting.
    until: Option<Pin<Box<Sleep>>>,
    /// Told once, whether it ended well.
    ended: Option<Box<dyn FnOnce(bool) + Send>>,
}

impl Reply {
    pub(crate) fn new(id: String, answer: Result<Answer, Error>, ended: impl FnOnce(bool) + Send + 'static) -> Self {
        let mut reply = Self {
            id,
            messages: None,
            status: None,
            until: None,
            ended: Some(Box::new(ended)),
        };
        match answer {
            Ok(Answer::One(message)) => reply.messages = Some(Rest::One(message)),
            Ok(Answer::Many(messages)) => reply.messages = Some(Rest::Many(Together::new(messages))),
            Err(e) => reply.end(Err(e)),
        }
        reply
    }

    /// The same, for as long as the caller waits.
    pub(crate) fn until(mut self, at: Option<Instant>) -> Self {
        self.until = at.map(|at| Box::pin(sleep_until(at)));
        self
    }

    fn end(&mut self, outcome: Result<(), Error>) {
        if let Some(ended) = self.ended.take() {
            ended(outcome.is_ok());
        }
        self.status = Some(trailers(outcome.map_err(|e| e.named(&self.id))));
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.until
            .as_mut()
            .is_some_and(|until| until.as_mut().poll(cx).is_ready())
    }

    /// The next message; when there is none, the status stands.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let outcome = match self.messages.take() {
            None => return Poll::Ready(None),
            Some(Rest::One(message)) => {
                self.end(Ok(()));
                return Poll::Ready(Some(message));
            }
            Some(Rest::Many(mut stream)) => match stream.poll_next(cx) {
                Poll::Ready(None) => Ok(()),
                Poll::Ready(Some(Err(e))) => Err(e),
                Poll::Pending if self.is_over(cx) => Err(deadline::over(&self.id)),
                unfinished => {
                    self.messages = Some(Rest::Many(stream));
                    return unfinished.map(|item| item.and_then(Result::ok));
                }
            },
        };
        self.end(outcome);
        Poll::Ready(None)
    }
}

impl Drop for Reply {
    /// A stream whose reader went away has ended all the same.
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(true);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match ready!(self.poll_message(cx)) {
            Some(message) => Poll::Ready(Some(Ok(Frame::data(message)))),
            None => Poll::Ready(self.status.take().map(|status| Ok(Frame::trailers(status)))),
        }
    }
}

fn trailers(outcome: Result<(), Error>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let code = match outcome {
        Ok(()) => 0,
        Err(e) => {
            let message = serde_json::to_string(&e).unwrap_or_default();
            if let Ok(message) = HeaderValue::from_str(&percent_encode(&message)) {
                trailers.insert("grpc-message", message);
            }
            e.grpc_code()
        }
    };
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    trailers
}

/// gRPC's encoding of `grpc-message`: printable ASCII but `%` as it is, the rest as `%XX`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn a_message_is_encoded_as_grpc_wants() {
        assert_eq!(percent_encode("100% é\n"), "100%25 %C3%A9%0A");
    }
}
