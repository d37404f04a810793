//! The body of any answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::held::Held;

/// Bytes and trailers, wherever they come from.
pub type Reply = UnsyncBoxBody<Bytes, Infallible>;

pub fn full(bytes: impl Into<Bytes>) -> Reply {
    Full::new(bytes.into()).boxed_unsync()
}

pub fn empty() -> Reply {
    Empty::new().boxed_unsync()
}

/// A body that keeps something until it is sent.
pub fn holding(body: Reply, held: Held) -> Reply {
    let pieces = Pieces::default();
    Holding {
        body,
        pieces,
        _held: held,
    }
    .boxed_unsync()
}

/// The rest of a frame. A transport asks for one when it has room, but then takes and keeps all of it: whoever does
/// not read would hold what is long without being counted any more.
#[derive(Default)]
pub struct Pieces(Bytes);

impl Pieces {
    /// How long they are.
    const LENGTH: usize = 64 << 10;

    /// The frame, or its first piece.
    pub fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        frame.map_data(|data| {
            self.0 = data;
            self.next().unwrap_or_default()
        })
    }

    /// The next piece of the frame that was cut.
    pub fn next(&mut self) -> Option<Bytes> {
        let length = self.0.len().min(Self::LENGTH);
        (length > 0).then(|| self.0.split_to(length))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Holding {
    body: Reply,
    pieces: Pieces,
    _held: Held,
}

impl Body for Holding {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| self.pieces.cut(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
