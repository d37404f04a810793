//! The keys that sign and verify tokens. Each has an id, so that a new one can take over while tokens of the
//! one before are still about.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::{
    digest, hmac,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// Ed25519's SubjectPublicKeyInfo up to the key's 32 bytes (RFC 8410 §4).
const SPKI_HEAD: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key was refused. It does not repeat the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not an Ed25519 private key.
    #[error("not an Ed25519 private key: give PKCS#8 as PEM, or base64 of it (openssl genpkey -algorithm ed25519)")]
    Private,
    /// Not an Ed25519 public key.
    #[error("not an Ed25519 public key: give SubjectPublicKeyInfo as PEM, or base64 of it")]
    Public,
}

/// The key that signs.
pub struct SigningKey {
    pkcs8: SecretSlice<u8>,
    public: PublicKey,
}

impl SigningKey {
    /// A fresh key from the operating system's randomness.
    pub fn generate() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the system has randomness");
        Self::of_pkcs8(document.as_ref().to_vec()).expect("just made")
    }

    /// Reads PKCS#8: PEM, base64 of PEM (as Micro's `MICRO_AUTH_PRIVATE_KEY`), or base64 of DER.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        der("PRIVATE KEY", text)
            .and_then(Self::of_pkcs8)
            .ok_or(InvalidKey::Private)
    }

    fn of_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).ok()?;
        let public = PublicKey::of_bytes(pair.public_key().as_ref())?;
        Some(Self {
            pkcs8: pkcs8.into(),
            public,
        })
    }

    /// The key as PEM, to be kept in a file of mode 0600.
    pub fn to_pem(&self) -> SecretString {
        pem("PRIVATE KEY", self.pkcs8.expose_secret()).into()
    }

    /// Its other half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A key for another purpose that is as secret as this one: the same for the same label.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.pkcs8.expose_secret());
        hmac::sign(&key, label.as_bytes())
            .as_ref()
            .try_into()
            .expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    bytes: [u8; 32],
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo: PEM, base64 of PEM, or base64 of DER.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let der = der("PUBLIC KEY", text).ok_or(InvalidKey::Public)?;
        der.strip_prefix(SPKI_HEAD)
            .and_then(Self::of_bytes)
            .ok_or(InvalidKey::Public)
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        let digest = digest::digest(&digest::SHA256, &bytes);
        let id = digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
        Some(Self { id, bytes })
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[SPKI_HEAD, &self.bytes].concat())
    }

    /// The `kid` of the tokens it verifies.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// One key that signs, and every key whose tokens are still accepted.
#[derive(Debug)]
pub struct KeyRing {
    id: String,
    encoding: EncodingKey,
    decoding: Vec<(String, DecodingKey)>,
}

impl KeyRing {
    /// A ring that signs with `current` and verifies its tokens and those of `previous` keys.
    pub fn new(current: &SigningKey, previous: impl IntoIterator<Item = PublicKey>) -> Self {
        super::crypto::install();
        let decoding = std::iter::once(current.public.clone())
            .chain(previous)
            .map(|key| (key.id, DecodingKey::from_ed_der(&key.bytes)))
            .collect();
        Self {
            id: current.public.id.clone(),
            encoding: EncodingKey::from_ed_der(current.pkcs8.expose_secret()),
            decoding,
        }
    }

    pub(super) fn signs_with(&self) -> (&str, &EncodingKey) {
        (&self.id, &self.encoding)
    }

    pub(super) fn verifies(&self, id: &str) -> Option<&DecodingKey> {
        self.decoding.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|c| std::str::from_utf8(c).expect("ASCII"))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn der(label: &str, text: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let armoured = |text: &str| {
        let body = text.split_once(&begin)?.1.split_once(&end)?.0;
        STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
    };
    if let Some(der) = armoured(text) {
        return Some(der);
    }
    let bytes = STANDARD.decode(text.split_whitespace().collect::<String>()).ok()?;
    match std::str::from_utf8(&bytes) {
        Ok(inner) if inner.contains("-----BEGIN") => armoured(inner),
        _ => Some(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_each_form_it_may_be_given_in() {
        let key = SigningKey::generate();
        let pem = key.to_pem();
        let pem = pem.expose_secret();
        let one_line = STANDARD.encode(pem);
        let der = STANDARD.encode(key.pkcs8.expose_secret());
        for text in [pem, &one_line, &der] {
            assert_eq!(SigningKey::parse(text).expect("own output").public(), key.public());
        }
        assert_eq!(PublicKey::parse(&key.public().to_pem()).as_ref(), Ok(key.public()));
    }

    #[test]
    fn a_key_made_by_openssl_is_accepted() {
        // `openssl genpkey -algorithm ed25519` writes PKCS#8 version 1, without the public half (RFC 8410 §10.3).
        let key = SigningKey::parse(
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
        )
        .expect("the RFC's own example");
        let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        assert_eq!(PublicKey::parse(public).as_ref(), Ok(key.public()));
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for bad in [
            "",
            "hunter2",
            "aHVudGVyMg==",
            "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        ] {
            let refused = SigningKey::parse(bad).expect_err("not a key");
            assert!(!refused.to_string().contains("hunter2"));
            assert!(PublicKey::parse(bad).is_err());
        }
    }

    #[test]
    fn a_derived_key_depends_on_label_and_key() {
        let (a, b) = (SigningKey::generate(), SigningKey::generate());
        assert_eq!(a.derive("refresh"), a.derive("refresh"));
        assert_ne!(a.derive("refresh"), a.derive("other"));
        assert_ne!(a.derive("refresh"), b.derive("refresh"));
    }
}
