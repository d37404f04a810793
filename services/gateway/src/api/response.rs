//! From an answer to an HTTP response (reference/micro-wire §7.6).

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use micro_error::{Error, WireError};
use micro_rpc::{Code, Codec, Frames, Payload, Status};

use crate::{
    held::Held,
    reply::{self, Reply},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const PROTO: HeaderValue = HeaderValue::from_static("application/proto");

/// One message as it is; several as a line each. What `room` gives for an answer's length is kept until the last of
/// it is sent.
pub async fn of(
    payload: Payload,
    codec: Codec,
    lines: bool,
    room: impl FnOnce(usize) -> Result<Held, Error>,
) -> Result<Response<Reply>, Status> {
    let alone = |message: Bytes, held: Held| one(message, codec).map(|body| reply::holding(body, held));
    let mut frames = match payload {
        Payload::One(message) => {
            let held = room(message.len())?;
            return Ok(alone(message, held));
        }
        // An end that was seen here is met again by whoever sends the rest.
        Payload::Many(frames) => Box::pin(frames.fuse()) as Frames,
    };
    // A failure before the first message still has its status.
    let Some(first) = frames.next().await.transpose()? else {
        return if lines {
            Ok(many(stream::empty(), frames, room(0)?))
        } else {
            Err(Status::plain(Code::INTERNAL, "no message came back"))
        };
    };
    let held = room(first.len())?;
    if lines {
        return Ok(many(stream::iter([first]), frames, held));
    }
    match frames.next().await.transpose()? {
        None => Ok(alone(first, held)),
        Some(second) => Ok(many(stream::iter([first, second]), frames, held)),
    }
}

fn one(message: Bytes, codec: Codec) -> Response<Reply> {
    let mut response = Response::new(reply::full(message));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, if codec == Codec::Json { JSON } else { PROTO });
    response
}

fn many(first: impl Stream<Item = Bytes> + Send + 'static, rest: Frames, held: Held) -> Response<Reply> {
    let lines = first.map(Ok).chain(rest).map(move |message| {
        let _until_the_last = &held;
        let line = match message {
            Ok(message) => message,
            Err(status) => Error::from(status).to_json().into(),
        };
        Ok::<_, Infallible>(Frame::data(ended(&line)))
    });
    let mut response = Response::new(StreamBody::new(Box::pin(lines)).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, LINES);
    response
}

fn ended(line: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line);
    bytes.put_u8(b'\n');
    bytes.freeze()
}

/// A call that failed: Micro's error under its own code. An unknown handler or method is 404.
pub fn failed(status: Status) -> Response<Reply> {
    let code = StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error(code, &Error::from(status))
}

/// An error as Micro's JSON, whose code is that of the response.
pub fn error(code: StatusCode, error: &Error) -> Response<Reply> {
    let wire = WireError {
        code: i32::from(code.as_u16()),
        status: code.canonical_reason().unwrap_or_default().to_owned(),
        ..error.to_wire()
    };
    let mut response = Response::new(reply::full(serde_json::to_vec(&wire).unwrap_or_default()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body_of(messages: &'static [&'static str], lines: bool) -> Result<Bytes, Status> {
        // As most streams of ours: asked again after its end, it panics.
        let frames = stream::unfold(messages.iter(), |mut left| async {
            let message = left.next()?;
            Some((Ok(Bytes::from_static(message.as_bytes())), left))
        });
        let payload = Payload::Many(Box::pin(frames));
        let response = of(payload, Codec::Json, lines, |_| Ok(Held::new(()))).await?;
        let Ok(body) = response.into_body().collect().await;
        Ok(body.to_bytes())
    }

    #[tokio::test]
    async fn a_stream_of_any_length_is_read_to_its_end_once() {
        for (messages, lines, expected) in [
            (&[][..], true, ""),
            (&["{}"], true, "{}\n"),
            (&["{}"], false, "{}"),
            (&["{}", "[]"], false, "{}\n[]\n"),
            (&["{}", "[]", "1"], true, "{}\n[]\n1\n"),
        ] {
            assert_eq!(
                body_of(messages, lines).await.expect("answered"),
                expected,
                "{messages:?}"
            );
        }
        assert!(body_of(&[], false).await.is_err());
    }
}
