//! The body of any answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// Bytes and trailers, wherever they come from.
pub type Reply = UnsyncBoxBody<Bytes, Infallible>;

pub fn full(bytes: impl Into<Bytes>) -> Reply {
    Full::new(bytes.into()).boxed_unsync()
}

pub fn empty() -> Reply {
    Empty::new().boxed_unsync()
}

/// A body that ends where another one fails.
pub fn settled<B: Body<Data = Bytes> + Send + Unpin + 'static>(body: B) -> Reply {
    Settled(body).boxed_unsync()
}

struct Settled<B>(B);

impl<B: Body<Data = Bytes> + Unpin> Body for Settled<B> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0)
            .poll_frame(cx)
            .map(|frame| frame.and_then(Result::ok).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
