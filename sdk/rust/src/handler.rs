//! What answers an endpoint: functions of four shapes, made alike.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use futures_core::Stream;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Context, Error, Streaming,
    body::Answer,
    frame::{Codec, Frames, Wire},
    schema,
};

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;
type Call<M> = Box<dyn Fn(Context, Wire, M) -> Answering + Send + Sync>;

/// What answers an endpoint, by what its caller sends.
pub(crate) enum Handler {
    /// One request, one reply.
    Unary(Call<Bytes>),
    /// One request, behind which the caller may leave its side open, and any number of replies.
    ServerStream(Call<Bytes>),
    /// Any number of requests.
    Requests { replies: bool, call: Call<Frames> },
}

impl Handler {
    pub(crate) fn unary<Q, A, F, R>(handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: 'static,
        A: 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        Self::Unary(Box::new(move |context, wire, message| {
            let answer = (codec.decode)(wire, &message).map(|request| handler(context, request));
            Box::pin(async move { (codec.encode)(wire, &answer?.await?).map(Answer::One) })
        }))
    }

    pub(crate) fn server_stream<Q, A, S, F, R>(handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: 'static,
        A: 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        Self::ServerStream(Box::new(move |context, wire, message| {
            let answer = (codec.decode)(wire, &message).map(|request| handler(context, request));
            Box::pin(async move { Ok(many(answer?.await?, wire, codec)) })
        }))
    }

    pub(crate) fn client_stream<Q, A, F, R>(handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: 'static,
        A: 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let call = move |context, wire, frames| -> Answering {
            let answer = handler(context, requests(frames, wire, codec));
            Box::pin(async move { (codec.encode)(wire, &answer.await?).map(Answer::One) })
        };
        Self::Requests {
            replies: false,
            call: Box::new(call),
        }
    }

    pub(crate) fn bidi_stream<Q, A, S, F, R>(handler: F, codec: Codec<Q, A>) -> Self
    where
        Q: 'static,
        A: 'static,
        S: Stream<Item = Result<A, Error>> + Send + 'static,
        F: Fn(Context, Streaming<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<S, Error>> + Send + 'static,
    {
        let call = move |context, wire, frames| -> Answering {
            let answer = handler(context, requests(frames, wire, codec));
            Box::pin(async move { Ok(many(answer.await?, wire, codec)) })
        };
        Self::Requests {
            replies: true,
            call: Box::new(call),
        }
    }

    /// As the registry has it. Callers leave their side open where `stream` stands, so it does not where they must not.
    pub(crate) fn described<Q: DeserializeOwned, A>(&self, endpoint: &str) -> Value {
        let mut described = json!({
            "name": endpoint,
            "request": schema::of::<Q>(),
            "response": schema::named::<A>(),
        });
        match self {
            Self::ServerStream(_) | Self::Requests { replies: true, .. } => {
                described["metadata"] = json!({ "stream": "true" });
            }
            Self::Requests { .. } => described["metadata"] = json!({ "requests": "stream" }),
            Self::Unary(_) => {}
        }
        described
    }
}

fn many<Q: 'static, A: 'static>(
    replies: impl Stream<Item = Result<A, Error>> + Send + 'static,
    wire: Wire,
    codec: Codec<Q, A>,
) -> Answer {
    Answer::Many(Streaming::new(replies).and_then(move |item| (codec.encode)(wire, &item)))
}

/// Read only as fast as the handler takes them. One of another shape is an error in the stream, which goes on; a
/// caller that went away is its last.
fn requests<Q: 'static, A: 'static>(frames: Frames, wire: Wire, codec: Codec<Q, A>) -> Streaming<Q> {
    let gone = |e: Error| match e.code {
        503 => Error::new(408, "the caller has gone before it had said everything"),
        _ => e,
    };
    frames
        .messages(gone)
        .and_then(move |message| (codec.decode)(wire, &message))
}
