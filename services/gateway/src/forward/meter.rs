//! Watches the lengths of gRPC messages as they pass, without taking them apart.

use micro_error::{Error, Kind};
use micro_rpc::{FRAME_HEADER_BYTES, MAX_MESSAGE_BYTES, Status};

/// Where in a message the last chunk ended.
#[derive(Default)]
pub struct Meter {
    header: [u8; FRAME_HEADER_BYTES],
    have: usize,
    body_left: usize,
}

impl Meter {
    /// Counts a chunk in; an error at the head of a message that is too long.
    pub fn pass(&mut self, mut chunk: &[u8]) -> Result<(), Status> {
        while !chunk.is_empty() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(chunk.len());
                self.body_left -= skipped;
                chunk = &chunk[skipped..];
                continue;
            }
            let wanted = (FRAME_HEADER_BYTES - self.have).min(chunk.len());
            let (head, rest) = chunk.split_at(wanted);
            self.header[self.have..self.have + wanted].copy_from_slice(head);
            self.have += wanted;
            chunk = rest;
            if self.have == FRAME_HEADER_BYTES {
                let [_, a, b, c, d] = self.header;
                self.have = 0;
                self.body_left = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.body_left > MAX_MESSAGE_BYTES {
                    return Err(too_large(self.body_left));
                }
            }
        }
        Ok(())
    }
}

fn too_large(length: usize) -> Status {
    let text = format!("a message of {length} bytes is larger than the limit body.bytes of {MAX_MESSAGE_BYTES}");
    Error::new(Kind::TooLarge, "go.micro.proxy", text).into()
}

#[cfg(test)]
mod tests {
    use micro_rpc::frame;

    use super::*;

    #[test]
    fn lengths_are_read_across_any_cut() {
        let wire = [frame(b"one"), frame(b""), frame(&[7; 40])].concat();
        for size in 1..wire.len() {
            let mut meter = Meter::default();
            for chunk in wire.chunks(size) {
                meter.pass(chunk).expect("small");
            }
            assert_eq!((meter.have, meter.body_left), (0, 0), "cut every {size}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let head = |length: usize| [&[0][..], &u32::try_from(length).expect("fits").to_be_bytes()].concat();
        assert!(Meter::default().pass(&head(MAX_MESSAGE_BYTES)).is_ok());
        assert!(Meter::default().pass(&head(MAX_MESSAGE_BYTES + 1)).is_err());
    }
}
