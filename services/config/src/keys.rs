//! Sealing secrets: AES-256-GCM under a key that is named in each sealed text, bound to the namespace and the path
//! that it lies at, so that it opens nowhere else.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use micro_clock::Ids;
use micro_domain::NamespaceId;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Refusal;

/// Why keys were refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a config key is 32 bytes in base64; several are separated by commas, the one in use first")]
pub struct InvalidKeys;

/// The keys of a server: one that seals, and those before it, which still open.
pub struct KeyRing {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    /// Follows from the key, so that nobody has to name it.
    id: String,
    key: LessSafeKey,
}

/// A sealed text: `id of the key:base64(nonce, ciphertext, tag)`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(String);

impl Sealed {
    fn parts(&self) -> Option<(&str, &str)> {
        self.0.split_once(':')
    }
}

impl KeyRing {
    /// Reads keys in base64, as Micro writes one; several are separated by commas, the one in use first.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidKeys> {
        let mut keys = text.expose_secret().split(',').map(|key| Key::parse(key.trim()));
        let current = keys.next().ok_or(InvalidKeys)??;
        Ok(Self {
            current,
            previous: keys.collect::<Result<_, _>>()?,
        })
    }

    /// A fresh key as text, for a server that was given none.
    pub fn generate() -> SecretString {
        let bytes = Zeroizing::new(Ids.bytes::<32>());
        STANDARD.encode(*bytes).into()
    }

    /// Seals a text for one place.
    pub(crate) fn seal(&self, namespace: NamespaceId, at: &[String], text: &str) -> Result<Sealed, Refusal> {
        let nonce = Ids.bytes::<NONCE_LEN>();
        let mut bytes = text.as_bytes().to_vec();
        self.current
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place(namespace, at), &mut bytes)
            .map_err(|_| Refusal::Sealing)?;
        let text = STANDARD.encode([&nonce[..], &bytes].concat());
        Ok(Sealed(format!("{}:{text}", self.current.id)))
    }

    /// Opens what was sealed for that place.
    pub(crate) fn open(&self, namespace: NamespaceId, at: &[String], sealed: &Sealed) -> Result<String, Refusal> {
        let (id, text) = sealed.parts().ok_or(Refusal::Damaged)?;
        let key = self.find(id).ok_or_else(|| Refusal::KeyGone(id.to_owned()))?;
        let mut bytes = STANDARD.decode(text).map_err(|_| Refusal::Damaged)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(Refusal::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refusal::Damaged)?;
        let plain = key
            .key
            .open_in_place(nonce, place(namespace, at), sealed)
            .map_err(|_| Refusal::Damaged)?;
        String::from_utf8(plain.to_vec()).map_err(|_| Refusal::Damaged)
    }

    /// Whether a text was sealed with the key in use.
    pub(crate) fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.parts().is_some_and(|(id, _)| id == self.current.id)
    }

    fn find(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == id)
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| InvalidKeys)?);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| InvalidKeys)?;
        let digest = Sha256::new_with_prefix(b"micro config key id")
            .chain_update(&*bytes)
            .finalize();
        Ok(Self {
            id: hex::encode(&digest[..6]),
            key: LessSafeKey::new(key),
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let previous: Vec<_> = self.previous.iter().map(|key| &key.id).collect();
        f.debug_struct("KeyRing")
            .field("current", &self.current.id)
            .field("previous", &previous)
            .finish()
    }
}

/// What a sealed text is bound to. A list of names has one JSON text only.
fn place(namespace: NamespaceId, at: &[String]) -> Aad<Vec<u8>> {
    let path = serde_json::to_vec(at).unwrap_or_default();
    Aad::from([&namespace.uuid().as_bytes()[..], &path].concat())
}

#[cfg(test)]
mod tests {
    use micro_domain::NamespaceName;

    use super::*;

    fn ring(keys: &[&SecretString]) -> KeyRing {
        let text: Vec<_> = keys.iter().map(|key| key.expose_secret()).collect();
        KeyRing::parse(&text.join(",").into()).expect("own keys")
    }

    fn at(path: &str) -> Vec<String> {
        path.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_sealed_text_opens_at_its_place_only() {
        let keys = ring(&[&KeyRing::generate()]);
        let of = |name: &str| NamespaceId::of_local(&NamespaceName::parse(name).expect("valid"));
        let sealed = keys.seal(of("ada"), &at("db.password"), "\"hunter2\"").expect("sealed");
        assert_eq!(
            keys.open(of("ada"), &at("db.password"), &sealed).expect("opens"),
            "\"hunter2\""
        );
        assert!(matches!(
            keys.open(of("eve"), &at("db.password"), &sealed),
            Err(Refusal::Damaged)
        ));
        assert!(matches!(
            keys.open(of("ada"), &at("db.motto"), &sealed),
            Err(Refusal::Damaged)
        ));
        for bad in [
            "",
            "nope",
            &format!("{}:", keys.current.id),
            &format!("{}:AAAA", keys.current.id),
        ] {
            assert!(
                matches!(
                    keys.open(of("ada"), &at("db"), &Sealed(bad.into())),
                    Err(Refusal::Damaged)
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_key_before_still_opens_and_one_that_is_gone_is_named() {
        let (old, new) = (KeyRing::generate(), KeyRing::generate());
        let namespace = NamespaceId::of_local(&NamespaceName::micro());
        let sealed = ring(&[&old]).seal(namespace, &at("a"), "1").expect("sealed");
        let both = ring(&[&new, &old]);
        assert!(!both.is_current(&sealed));
        assert_eq!(both.open(namespace, &at("a"), &sealed).expect("opens"), "1");
        let refused = ring(&[&new]).open(namespace, &at("a"), &sealed).expect_err("gone");
        assert!(refused.to_string().contains(&ring(&[&old]).current.id), "{refused}");
    }

    #[test]
    fn keys_that_are_none_are_refused_and_none_is_shown() {
        for bad in ["", ",", "c2hvcnQ=", "not base64"] {
            assert_eq!(KeyRing::parse(&bad.into()).err(), Some(InvalidKeys), "{bad}");
        }
        let key = KeyRing::generate();
        assert!(!format!("{:?}", ring(&[&key])).contains(key.expose_secret()));
    }
}
