//! The body of an answer: framed messages, then trailers.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use http::{HeaderMap, HeaderValue};
use hyper::body::{Frame, SizeHint};

use crate::{Frames, Payload, Status, frame::frame};

/// Framed messages, then `grpc-status`.
pub struct Body(State);

enum State {
    One(Bytes),
    Many { frames: Frames, on_error: Option<OnError> },
    Trailers(HeaderMap),
    Done,
}

/// Told of the error that ends a stream, where it leaves.
pub type OnError = Box<dyn FnOnce(&Status) + Send>;

impl Body {
    /// Nothing at all: for answers whose status is in the headers.
    pub const fn empty() -> Self {
        Self(State::Done)
    }

    /// One message, then OK.
    pub fn one(message: &[u8]) -> Self {
        Self(State::One(frame(message)))
    }

    /// The messages, then OK or the error that ended them.
    pub fn of(payload: Payload, on_error: OnError) -> Self {
        Self(match payload {
            Payload::One(message) => return Self::one(&message),
            Payload::Many(frames) => State::Many {
                frames,
                on_error: Some(on_error),
            },
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            State::Many { frames, on_error } => match ready!(frames.as_mut().poll_next(cx)) {
                Some(Ok(message)) => return Poll::Ready(Some(Ok(Frame::data(frame(&message))))),
                Some(Err(status)) => {
                    if let Some(on_error) = on_error.take() {
                        on_error(&status);
                    }
                    State::Trailers(trailers(Some(&status)))
                }
                None => State::Trailers(trailers(None)),
            },
            State::One(_) => State::Trailers(trailers(None)),
            State::Trailers(_) | State::Done => State::Done,
        };
        Poll::Ready(match std::mem::replace(&mut self.0, next) {
            State::One(framed) => Some(Ok(Frame::data(framed))),
            State::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            State::Many { .. } => return self.poll_frame(cx),
            State::Done => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn trailers(status: Option<&Status>) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(3);
    match status {
        Some(status) => status.write(&mut map),
        None => drop(map.insert("grpc-status", HeaderValue::from_static("0"))),
    }
    map
}
