//! As much protobuf as `Debug` speaks, so that a service that only speaks JSON needs no library for the rest.

use crate::Error;

/// How a field's value is written.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// A message being written.
#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A number; zero is left out, as everywhere.
    pub(crate) fn number(&mut self, field: u64, number: u64) -> &mut Self {
        if number != 0 {
            self.varint(field << 3 | VARINT);
            self.varint(number);
        }
        self
    }

    /// A text; an empty one is left out.
    pub(crate) fn text(&mut self, field: u64, text: &str) -> &mut Self {
        if text.is_empty() {
            return self;
        }
        self.bytes(field, text.as_bytes())
    }

    /// A message within the message.
    pub(crate) fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    /// As it travels.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

/// A field's value, as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

impl Field<'_> {
    /// The number that it is; 0 where it is none.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => 0,
        }
    }

    /// The text that it is; none where it is no text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Number(_) => String::new(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// The fields of a message, in its order.
pub(crate) fn fields(mut message: &[u8]) -> Result<Vec<(u64, Field<'_>)>, Error> {
    let mut fields = vec![];
    while !message.is_empty() {
        fields.push(field(&mut message).ok_or_else(|| Error::bad_request("the request is no protobuf message"))?);
    }
    Ok(fields)
}

fn field<'m>(message: &mut &'m [u8]) -> Option<(u64, Field<'m>)> {
    let tag = varint(message)?;
    let value = match tag & 7 {
        VARINT => Field::Number(varint(message)?),
        LENGTH => {
            let length = varint(message)?;
            Field::Bytes(taken(message, usize::try_from(length).ok()?)?)
        }
        FIXED64 => Field::Bytes(taken(message, 8)?),
        FIXED32 => Field::Bytes(taken(message, 4)?),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(message, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn taken<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_protobuf_does() {
        let (mut message, mut inner) = (Message::default(), Message::default());
        inner.text(1, "a");
        message
            .number(1, 1)
            .number(2, 0)
            .number(3, 300)
            .text(4, "")
            .message(5, &inner);
        assert_eq!(message.as_bytes(), [0x08, 1, 0x18, 0xac, 0x02, 0x2a, 3, 0x0a, 1, b'a']);
    }

    #[test]
    fn what_was_written_is_read() {
        let mut message = Message::default();
        message.number(1, u64::MAX).text(2, "ada").number(16, 7);
        let fields = fields(message.as_bytes()).expect("whole");
        assert_eq!(
            fields,
            [
                (1, Field::Number(u64::MAX)),
                (2, Field::Bytes(b"ada")),
                (16, Field::Number(7))
            ]
        );
        assert_eq!((fields[0].1.number(), fields[1].1.text()), (u64::MAX, "ada".to_owned()));
        assert_eq!((fields[1].1.number(), fields[0].1.text()), (0, String::new()));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let fixed = [0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4];
        assert_eq!(fields(&fixed).map(|f| f.len()).ok(), Some(2));
        for broken in [
            &[0x08][..],
            &[0x0a, 5, 1],
            &[0x0b],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x09, 1],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert!(fields(broken).is_err(), "{broken:?}");
        }
    }
}
