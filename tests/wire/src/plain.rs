//! Reads protobuf with nothing but the field numbers of a descriptor: a second opinion beside the generated code.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes};
use micro_rpc::{FieldType, MessageDescriptor};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// The same message with the entries of its maps sorted, which Go writes in any order. A field that the descriptor
/// does not know is an error.
pub fn sorted(bytes: &Bytes, of: &MessageDescriptor) -> Result<Bytes> {
    let mut fields = vec![];
    let mut rest = bytes.clone();
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest)?;
        let field = of.fields.iter().find(|f| f.number == number);
        let field = field.with_context(|| format!("{} has no field {number}", of.name))?;
        let content = content(wire, &mut rest)?;
        let content = match &field.kind {
            FieldType::Message(inner) => sorted(&content, inner)?,
            FieldType::Map(_, value) => entry(&content, value)?,
            _ => content,
        };
        fields.push((number, matches!(field.kind, FieldType::Map(..)), wire, content));
    }
    for entries in fields.chunk_by_mut(|a, b| a.0 == b.0 && b.1) {
        if entries[0].1 {
            entries.sort_by(|a, b| a.3.cmp(&b.3));
        }
    }
    let mut out = vec![];
    for (number, _, wire, content) in fields {
        encode_key(number, wire, &mut out);
        if wire == WireType::LengthDelimited {
            encode_varint(content.len() as u64, &mut out);
        }
        out.extend_from_slice(&content);
    }
    Ok(out.into())
}

/// One entry of a map: its key is field 1, its value field 2.
fn entry(bytes: &Bytes, value: &FieldType) -> Result<Bytes> {
    let mut rest = bytes.clone();
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest)?;
        let content = content(wire, &mut rest)?;
        match (number, value) {
            (2, FieldType::Message(inner)) => drop(sorted(&content, inner)?),
            (1 | 2, _) => {}
            _ => bail!("a map's entry has no field {number}"),
        }
    }
    Ok(bytes.clone())
}

/// What stands behind a key, without its length.
fn content(wire: WireType, rest: &mut Bytes) -> Result<Bytes> {
    let length = match wire {
        WireType::LengthDelimited => usize::try_from(decode_varint(rest)?)?,
        WireType::ThirtyTwoBit => 4,
        WireType::SixtyFourBit => 8,
        WireType::Varint => {
            let mut probe = rest.clone();
            decode_varint(&mut probe)?;
            rest.len() - probe.len()
        }
        WireType::StartGroup | WireType::EndGroup => bail!("groups are not in proto3"),
    };
    ensure!(length <= rest.len(), "the message ends early");
    Ok(rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use micro_proto::registry::Node;
    use micro_rpc::Message;

    use super::*;

    #[test]
    fn entries_of_maps_are_sorted_and_nothing_else_is() {
        let entry = |key: &str| [&[0x22, 5, 0x0a, 1][..], key.as_bytes(), &[0x12, 0]].concat();
        let id = [0x0a, 1, b'z'].to_vec();
        let wire = [entry("b"), entry("a"), id.clone()].concat();
        let want = [entry("a"), entry("b"), id].concat();
        assert_eq!(sorted(&wire.into(), Node::DESCRIPTOR).expect("known"), want);
    }

    #[test]
    fn a_field_that_the_descriptor_does_not_know_is_an_error() {
        let wire = Bytes::from_static(&[0x2a, 1, b'z']);
        let why = sorted(&wire, Node::DESCRIPTOR).expect_err("field 5").to_string();
        assert_eq!(why, "registry.Node has no field 5");
    }
}
