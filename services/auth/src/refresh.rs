//! Refresh tokens: opaque to their holders, stored as hashes only, each good for one use.
//!
//! The successor is computed from the token presented, so that the same one can be given again when an answer
//! was lost or two terminals share a login. A tag tells former tokens of ours from made-up ones: only a former
//! one, shown again later, says that somebody copied it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use micro_clock::Ids;
use micro_domain::{AccountId, Namespace, NamespaceId, NamespaceName, SessionId};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const PREFIX: &str = "mrt_";
const TAG: usize = 16;
const LONGEST: usize = 1_024;

/// A key of refresh tokens.
#[derive(Clone)]
pub struct RefreshKey([u8; 32]);

impl RefreshKey {
    /// Wraps a key, such as `SigningKey::derive("refresh")`.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl Drop for RefreshKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Makes and reads refresh tokens.
pub struct RefreshTokens {
    keys: Vec<RefreshKey>,
}

/// A token that we made at some time.
pub struct Presented {
    /// Where its session is.
    pub namespace: Namespace,
    /// Whose session it is.
    pub account: AccountId,
    /// The session.
    pub session: SessionId,
    token: SecretString,
}

impl Presented {
    /// What is stored of it.
    pub fn digest(&self) -> String {
        digest(&self.token)
    }
}

/// What is stored of a token.
pub fn digest(token: &SecretString) -> String {
    hex::encode(Sha256::digest(token.expose_secret()))
}

impl RefreshTokens {
    pub fn new(keys: Vec<RefreshKey>) -> Self {
        assert!(!keys.is_empty(), "a key for refresh tokens is configured");
        Self { keys }
    }

    /// The first token of a session.
    pub fn first(&self, namespace: &Namespace, account: &AccountId, session: SessionId) -> SecretString {
        self.write(namespace, account, session, Ids.bytes())
    }

    /// The token that follows: the same each time.
    pub fn successor(&self, presented: &Presented) -> SecretString {
        let secret = mac(
            &self.keys[0],
            &[b"successor", presented.token.expose_secret().as_bytes()],
        );
        self.write(&presented.namespace, &presented.account, presented.session, secret)
    }

    /// Reads a token, if it was ever one of ours.
    pub fn read(&self, token: &str) -> Option<Presented> {
        if token.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let known = |key| hmac_of(key, &[b"tag", body]).verify_truncated_left(tag).is_ok();
        if !self.keys.iter().any(known) {
            return None;
        }
        let id = |at: usize| Uuid::from_slice(body.get(at..at + 16)?).ok();
        let name_end = 65 + usize::from(*body.get(64)?);
        let name = NamespaceName::parse(std::str::from_utf8(body.get(65..name_end)?).ok()?).ok()?;
        Some(Presented {
            namespace: Namespace {
                id: NamespaceId::new(id(0)?),
                name,
            },
            session: SessionId::new(id(16)?),
            account: AccountId::new(std::str::from_utf8(body.get(name_end..)?).ok()?),
            token: token.into(),
        })
    }

    fn write(&self, namespace: &Namespace, account: &AccountId, session: SessionId, secret: [u8; 32]) -> SecretString {
        let name = namespace.name.as_str();
        let length = u8::try_from(name.len()).expect("a name has at most 63 bytes");
        let mut bytes = [
            namespace.id.uuid().as_bytes().as_slice(),
            session.uuid().as_bytes(),
            &secret,
            &[length],
            name.as_bytes(),
            account.as_str().as_bytes(),
        ]
        .concat();
        let tag = mac(&self.keys[0], &[b"tag", &bytes]);
        bytes.extend_from_slice(&tag[..TAG]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
    }
}

fn hmac_of(key: &RefreshKey, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn mac(key: &RefreshKey, parts: &[&[u8]]) -> [u8; 32] {
    hmac_of(key, parts).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(tokens: &RefreshTokens) -> SecretString {
        let namespace = Namespace::of_local(NamespaceName::parse("ada-ns").expect("valid"));
        tokens.first(
            &namespace,
            &AccountId::new("ada@example.com"),
            SessionId::new(Ids.random()),
        )
    }

    #[test]
    fn a_token_finds_its_session_and_its_successor_is_always_the_same() {
        let tokens = RefreshTokens::new(vec![RefreshKey::new([7; 32])]);
        let read = tokens.read(first(&tokens).expose_secret()).expect("ours");
        assert_eq!(
            (read.namespace.name.as_str(), read.account.as_str()),
            ("ada-ns", "ada@example.com")
        );
        let (next, again) = (tokens.successor(&read), tokens.successor(&read));
        assert_eq!(next.expose_secret(), again.expose_secret());
        assert_ne!(digest(&next), read.digest());
        assert_eq!(tokens.read(next.expose_secret()).expect("ours").session, read.session);
    }

    #[test]
    fn a_made_up_or_altered_token_is_none_of_ours() {
        let tokens = RefreshTokens::new(vec![RefreshKey::new([7; 32])]);
        let token = first(&tokens);
        let text = token.expose_secret();
        for at in (PREFIX.len()..text.len()).step_by(5) {
            let mut altered = text.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(
                tokens.read(&String::from_utf8(altered).expect("ASCII")).is_none(),
                "byte {at}"
            );
        }
        let elsewhere = RefreshTokens::new(vec![RefreshKey::new([8; 32])]);
        assert!(elsewhere.read(text).is_none());
        for nonsense in ["", PREFIX, "mrt_AAAA", "a.b.c", &"x".repeat(5_000)] {
            assert!(tokens.read(nonsense).is_none());
        }
    }

    #[test]
    fn tokens_of_the_key_before_are_accepted_while_it_is_configured() {
        let (old, new) = (RefreshKey::new([7; 32]), RefreshKey::new([8; 32]));
        let token = first(&RefreshTokens::new(vec![old.clone()]));
        let both = RefreshTokens::new(vec![new.clone(), old]);
        let read = both.read(token.expose_secret()).expect("the key before is known");
        let next = both.successor(&read);
        assert!(RefreshTokens::new(vec![new]).read(next.expose_secret()).is_some());
    }
}
