//! A chunk's body: its entries' payloads, each behind its length.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::StoreError;

pub(super) fn encode<'p>(payloads: impl Iterator<Item = &'p Bytes> + Clone) -> Vec<u8> {
    let size = payloads.clone().map(|payload| payload.len() + 4).sum();
    let mut body = BytesMut::with_capacity(size);
    for payload in payloads {
        body.put_u32(payload.len() as u32);
        body.put_slice(payload);
    }
    body.into()
}

pub(super) fn decode(mut body: Bytes) -> Result<Vec<Bytes>, StoreError> {
    let mut payloads = Vec::new();
    while body.has_remaining() {
        let length = body
            .try_get_u32()
            .ok()
            .map(|length| length as usize)
            .filter(|length| *length <= body.len());
        let length = length.ok_or_else(|| StoreError::Damaged("a chunk of a log is cut short".into()))?;
        payloads.push(body.split_to(length));
    }
    Ok(payloads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_were() {
        let payloads = [Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")];
        assert_eq!(decode(encode(payloads.iter()).into()).expect("whole"), payloads);
    }

    #[test]
    fn a_cut_chunk_is_damaged() {
        let body = encode([Bytes::from_static(b"one")].iter());
        for end in 1..body.len() {
            assert!(
                matches!(
                    decode(Bytes::copy_from_slice(&body[..end])),
                    Err(StoreError::Damaged(_))
                ),
                "{end}"
            );
        }
    }
}
