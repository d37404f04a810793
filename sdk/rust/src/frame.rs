//! gRPC's framing of one message: a flag byte, four bytes of length, the message.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// The most one message may have, both ways: 16 MiB.
pub(crate) const MAX_MESSAGE: usize = 16 << 20;
/// The content type of every call from and to this SDK.
pub(crate) const JSON: &str = "application/grpc+json";

pub(crate) fn encode(message: &impl Serialize) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(message).map_err(|e| Error::internal(format!("encoding the message: {e}")))?;
    if json.len() > MAX_MESSAGE {
        return Err(Error::new(
            413,
            format!("the message has {} bytes; the limit is {MAX_MESSAGE}", json.len()),
        ));
    }
    let mut frame = BytesMut::with_capacity(5 + json.len());
    frame.put_u8(0);
    frame.put_u32(json.len() as u32);
    frame.extend_from_slice(&json);
    Ok(frame.freeze())
}

/// Reads the one message of a unary body. No message, an empty one and `null` are the empty object.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let json = match body {
        [] => &b"{}"[..],
        [0, a, b, c, d, message @ ..] if u32::from_be_bytes([*a, *b, *c, *d]) as usize == message.len() => message,
        [1, ..] => return Err(Error::new(501, "compressed messages are not supported")),
        _ => return Err(Error::bad_request("the body is not one gRPC message")),
    };
    let json = if json.is_empty() || json == b"null" {
        b"{}"
    } else {
        json
    };
    serde_json::from_slice(json).map_err(|e| Error::bad_request(format!("the request is not what this expects: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_frame() {
        let frame = encode(&vec![1, 2, 3]).expect("encodes");
        assert_eq!(&frame[..5], [0, 0, 0, 0, 7]);
        assert_eq!(decode::<Vec<u8>>(&frame), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn nothing_is_the_empty_object() {
        #[derive(serde::Deserialize, PartialEq, Debug)]
        struct Empty {}
        for body in [&b""[..], b"\0\0\0\0\0", b"\0\0\0\0\x04null"] {
            assert_eq!(decode::<Empty>(body), Ok(Empty {}));
        }
    }

    #[test]
    fn half_a_message_is_refused() {
        assert_eq!(decode::<Vec<u8>>(b"\0\0\0\0\x09[1]").map_err(|e| e.code), Err(400));
        assert_eq!(decode::<Vec<u8>>(b"\x01\0\0\0\x03[1]").map_err(|e| e.code), Err(501));
    }
}
