//! Bodies that go out: a message and perhaps more of them, and on the server's side the status at the end.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::{Error, Streaming};

/// A request: its message, and more as they come where the call stays open.
pub(crate) struct Outgoing {
    first: Option<Bytes>,
    more: Option<mpsc::Receiver<Bytes>>,
}

impl Outgoing {
    pub(crate) fn new(first: Bytes, more: Option<mpsc::Receiver<Bytes>>) -> Self {
        Self {
            first: Some(first),
            more,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match (self.first.take(), &mut self.more) {
            (Some(first), _) => Some(first),
            (None, Some(more)) => ready!(more.poll_recv(cx)),
            (None, None) => None,
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
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

/// A reply: its messages, then the status as trailers.
pub(crate) struct Reply {
    /// Who errors are from.
    id: String,
    messages: Option<Answer>,
    status: Option<HeaderMap>,
    /// Told once, whether it ended well.
    ended: Option<Box<dyn FnOnce(bool) + Send>>,
}

impl Reply {
    pub(crate) fn new(id: String, answer: Result<Answer, Error>, ended: impl FnOnce(bool) + Send + 'static) -> Self {
        let mut reply = Self {
            id,
            messages: None,
            status: None,
            ended: Some(Box::new(ended)),
        };
        match answer {
            Ok(answer) => reply.messages = Some(answer),
            Err(e) => reply.end(Err(e)),
        }
        reply
    }

    fn end(&mut self, outcome: Result<(), Error>) {
        if let Some(ended) = self.ended.take() {
            ended(outcome.is_ok());
        }
        self.status = Some(trailers(outcome.map_err(|e| e.named(&self.id))));
    }

    /// The next message; when there is none, the status stands.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let outcome = match self.messages.take() {
            None => return Poll::Ready(None),
            Some(Answer::One(message)) => {
                self.end(Ok(()));
                return Poll::Ready(Some(message));
            }
            Some(Answer::Many(mut stream)) => match Pin::new(&mut stream).poll_next(cx) {
                Poll::Ready(None) => Ok(()),
                Poll::Ready(Some(Err(e))) => Err(e),
                unfinished => {
                    self.messages = Some(Answer::Many(stream));
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
