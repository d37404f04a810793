//! Values as the core keeps them for a service: JSON, in fields that hold bytes.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::{Error, base64};

/// As the core takes it.
pub(crate) fn pack(value: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(value).map_err(|e| Error::internal(format!("encoding the value: {e}")))?;
    Ok(base64::encode(&json))
}

/// What a `place` held. An empty value, which is left out on the wire, is `null`.
pub(crate) fn unpack<T: DeserializeOwned>(text: &str, place: &str) -> Result<T, Error> {
    let bytes = base64::decode(text).ok_or_else(|| Error::internal(format!("{place} came damaged")))?;
    let json = if bytes.is_empty() { &b"null"[..] } else { &bytes };
    serde_json::from_slice(json).map_err(|e| Error::internal(format!("{place} does not hold what was expected: {e}")))
}

/// A 64-bit number, which JSON from a core has as text (protobuf's way) and elsewhere as a number.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Nothing where the core says that there is nothing; `core` begins the names its own errors have, so that a core
/// that cannot be found is not taken for that.
pub(crate) fn found<T>(answer: Result<T, Error>, core: &str) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.code == 404 && e.id.starts_with(core) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_and_a_wrong_one_is_named() {
        let packed = pack(&vec!["a"]).expect("packs");
        assert_eq!(unpack::<Vec<String>>(&packed, "key k"), Ok(vec!["a".to_owned()]));
        let refused = unpack::<u8>(&packed, "key k").expect_err("not a number");
        assert!(refused.detail.starts_with("key k does not hold"), "{refused}");
        assert_eq!(unpack::<Option<u8>>("", "key k"), Ok(None));
    }

    #[test]
    fn only_the_cores_own_not_found_is_nothing() {
        let gone = Error::not_found("").named("store.Store.Read");
        assert_eq!(found::<()>(Err(gone), "store."), Ok(None));
        let unreachable = Error::not_found("").named("go.micro.client");
        assert_eq!(found::<()>(Err(unreachable.clone()), "store."), Err(unreachable));
    }
}
