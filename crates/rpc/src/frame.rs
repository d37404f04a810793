//! gRPC's framing: one flag byte, four length bytes, the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::stream;
use http_body::Body;
use http_body_util::BodyExt;
use micro_error::{Error, Kind};

use crate::{Code, Frames, Status};

/// Flag and length.
pub const FRAME_HEADER_BYTES: usize = 5;

/// The longest message, both ways: as upstream's servers (reference/micro-wire §1.4).
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// One message with its frame.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
    framed.put_u8(0);
    // A message of ours is bounded far below 4 GiB: `MAX_MESSAGE_BYTES`.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(message);
    framed.freeze()
}

/// Asked about each message by its length, before it is gathered; what it gives is held until the message is whole.
pub type Room = Box<dyn Fn(usize) -> Result<Box<dyn Send>, Status> + Send>;

/// The messages of a body as they arrive, and the status in its trailers if it is not OK.
pub fn deframe<B>(body: B) -> Frames
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    deframe_within(body, Box::new(|_| Ok(Box::new(()))))
}

/// [`deframe`], as far as there is room for each message.
pub fn deframe_within<B>(body: B, room: Room) -> Frames
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let reader = Reader {
        body: Box::pin(body),
        buffered: BytesMut::new(),
        done: false,
        room,
        held: None,
    };
    // Nothing comes after an error: what is buffered would only be refused again.
    Box::pin(stream::unfold((reader, false), |(mut reader, failed)| async move {
        if failed {
            return None;
        }
        let next = reader.next().await.transpose()?;
        let failed = next.is_err();
        Some((next, (reader, failed)))
    }))
}

struct Reader<B> {
    body: std::pin::Pin<Box<B>>,
    buffered: BytesMut,
    done: bool,
    room: Room,
    /// The room of the message that is being gathered.
    held: Option<Box<dyn Send>>,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(length) = announced(&self.buffered)? {
                if self.held.is_none() {
                    self.held = Some((self.room)(length)?);
                }
                if let Some(message) = split(&mut self.buffered, length) {
                    self.held = None;
                    return Ok(Some(message));
                }
            }
            if self.done {
                return self.end();
            }
            match self.body.frame().await {
                None => self.done = true,
                Some(Err(e)) => {
                    return Err(Status::plain(
                        Code::UNAVAILABLE,
                        format!("the connection was lost: {e}"),
                    ));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    // The usual case, one message a chunk, is not copied.
                    Ok(data) if self.buffered.is_empty() => self.buffered = data.into(),
                    Ok(data) => self.buffered.extend_from_slice(&data),
                    Err(frame) => {
                        if let Some(status) = frame.trailers_ref().and_then(Status::read) {
                            return Err(status);
                        }
                    }
                },
            }
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, Status> {
        if self.buffered.is_empty() {
            return Ok(None);
        }
        self.buffered.clear();
        Err(Status::plain(Code::INTERNAL, "the message ends early"))
    }
}

/// The length of the first message, as soon as its head is there.
fn announced(buffered: &[u8]) -> Result<Option<usize>, Status> {
    let Some((&[compressed, a, b, c, d], _)) = buffered.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return Ok(None);
    };
    if compressed != 0 {
        return Err(Status::plain(
            Code::UNIMPLEMENTED,
            "compressed messages are not supported",
        ));
    }
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > MAX_MESSAGE_BYTES {
        return Err(too_large(length));
    }
    Ok(Some(length))
}

/// Takes the first message off, if all of it is there.
fn split(buffered: &mut BytesMut, length: usize) -> Option<Bytes> {
    if buffered.len() < FRAME_HEADER_BYTES + length {
        return None;
    }
    buffered.advance(FRAME_HEADER_BYTES);
    Some(buffered.split_to(length).freeze())
}

fn too_large(length: usize) -> Status {
    let text = format!("a message of {length} bytes is larger than the limit message.bytes of {MAX_MESSAGE_BYTES}");
    Error::new(Kind::TooLarge, "go.micro.server", text).into()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    fn body_of(chunks: Vec<Bytes>) -> Frames {
        let frames = chunks
            .into_iter()
            .map(|c| Ok::<_, std::convert::Infallible>(Frame::data(c)));
        deframe(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn messages_survive_any_cut() {
        let wire = [frame(b"one"), frame(b""), frame(&[7; 300])].concat();
        for size in 1..wire.len() {
            let chunks = wire.chunks(size).map(Bytes::copy_from_slice).collect();
            let got: Vec<_> = body_of(chunks).map(|m| m.expect("whole")).collect().await;
            assert_eq!(got, [&b"one"[..], b"", &[7; 300]], "cut every {size}");
        }
    }

    #[tokio::test]
    async fn half_a_message_is_an_error_and_then_the_end() {
        let cut = frame(b"whole").slice(..7);
        let got: Vec<_> = body_of(vec![cut]).collect().await;
        assert!(
            matches!(
                got.as_slice(),
                [Err(Status::Plain {
                    code: Code::INTERNAL,
                    ..
                })]
            ),
            "{got:?}"
        );
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_named() {
        let at = body_of(vec![frame(&vec![0; MAX_MESSAGE_BYTES])])
            .next()
            .await
            .expect("one");
        assert_eq!(at.expect("allowed").len(), MAX_MESSAGE_BYTES);
        let head = [
            &[0][..],
            &u32::try_from(MAX_MESSAGE_BYTES + 1).expect("fits").to_be_bytes(),
        ]
        .concat();
        let mut refused: Vec<_> = body_of(vec![head.into()]).collect().await;
        assert_eq!(refused.len(), 1, "once, and then the end");
        let over = refused.remove(0).expect_err("refused before its bytes come");
        assert_eq!(Error::from(over.clone()).kind(), Kind::TooLarge);
        assert!(Error::from(over).message().contains("message.bytes"));
    }
}
