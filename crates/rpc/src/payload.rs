//! What one side of a call sends: one message, or a stream of them, already encoded but not framed.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use micro_error::{Error, Kind};

use crate::{Codec, Message, Status};

/// Typed messages one after another, in handlers and clients.
pub type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>;

/// Encoded messages one after another, as they travel.
pub type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// One side of a call.
pub enum Payload {
    /// Exactly one message, known at once.
    One(Bytes),
    /// As many as come.
    Many(Frames),
}

impl Payload {
    /// One typed message.
    pub fn one<M: Message>(codec: Codec, message: &M) -> Self {
        Self::One(codec.encode(message))
    }

    /// A stream of typed messages.
    pub fn many<M: Message>(codec: Codec, messages: Streaming<M>) -> Self {
        Self::Many(Box::pin(
            messages.map(move |m| m.map(|m| codec.encode(&m)).map_err(Status::from)),
        ))
    }

    /// The first message, decoded. Does not wait for the sender to finish: Go clients leave the request side
    /// of a server stream open (reference/micro-wire §1.7).
    pub async fn first<M: Message>(self, codec: Codec) -> Result<M, Status> {
        let bytes = match self {
            Self::One(bytes) => bytes,
            Self::Many(mut frames) => frames
                .next()
                .await
                .ok_or_else(|| Error::new(Kind::Invalid, "go.micro.server", "the request holds no message"))??,
        };
        codec.decode(bytes)
    }

    /// The messages, decoded as they come.
    pub fn typed<M: Message>(self, codec: Codec) -> Streaming<M> {
        Box::pin(
            self.frames()
                .map(move |f| f.and_then(|b| codec.decode(b)).map_err(Error::from)),
        )
    }

    /// The messages, as they travel.
    pub fn frames(self) -> Frames {
        match self {
            Self::One(bytes) => Box::pin(stream::once(std::future::ready(Ok(bytes)))),
            Self::Many(frames) => frames,
        }
    }
}
