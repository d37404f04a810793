//! Everything in a sign-up that must not be guessed: mailed codes in their two forms, the terminal's session
//! secret, subscribe links, payment tokens. What is random is stored hashed; what only names an attempt is
//! derived from the server's key and not stored at all.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use micro_clock::Ids;
use micro_domain::AttemptId;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Letters and digits that nobody confuses on a screen: no I, L, O, U, 0, 1.
const ALPHABET: &[u8; 30] = b"ABCDEFGHJKMNPQRSTVWXYZ23456789";
const SHORT: usize = 8;

/// A digest, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Digested(pub(crate) Vec<u8>);

impl Digested {
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digested")
    }
}

/// A fresh code: what the letter says, and what is stored of it.
pub(crate) struct NewCode {
    /// 40 hexadecimal digits.
    pub(crate) long: SecretString,
    /// `K7PQ-2MXR`
    pub(crate) short: SecretString,
    pub(crate) long_hash: Digested,
    pub(crate) short_hash: Digested,
}

/// A code that somebody typed, as it is looked for.
pub(crate) enum TypedCode {
    Long(Digested),
    Short(Digested),
}

/// The server's key for all that is derived here.
pub struct Keys(SecretBox<[u8; 32]>);

impl Keys {
    /// Derives everything from this key; another key makes all open links and short codes void.
    pub fn new(key: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(key)))
    }

    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// A code of 160 random bits, and one of 39 for those who have to type.
    pub(crate) fn new_code(&self) -> NewCode {
        let long = hex::encode(Ids.bytes::<20>());
        let short = short_form();
        NewCode {
            long_hash: digest(&long),
            short_hash: self.short_hash(&short),
            short: format!("{}-{}", &short[..4], &short[4..]).into(),
            long: long.into(),
        }
    }

    /// Reads what was typed or pasted: blanks and dashes do not matter, nor does case.
    pub(crate) fn read_code(&self, typed: &SecretString) -> Option<TypedCode> {
        let plain = |c: &char| !c.is_whitespace() && *c != '-';
        let text: String = typed.expose_secret().chars().filter(plain).take(64).collect();
        match text.len() {
            40 if text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Some(TypedCode::Long(digest(&text.to_ascii_lowercase())))
            }
            SHORT if text.is_ascii() => Some(TypedCode::Short(self.short_hash(&text.to_ascii_uppercase()))),
            _ => None,
        }
    }

    /// Keyed, since 39 bits could be tried one by one by whoever reads the table.
    fn short_hash(&self, short: &str) -> Digested {
        Digested(self.mac("short code", &[short.as_bytes()]).to_vec())
    }

    /// The unguessable part of a subscribe page's address: the attempt and a proof that we said so.
    pub(crate) fn link(&self, attempt: AttemptId) -> String {
        let id = attempt.uuid();
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16..].copy_from_slice(&self.mac("link", &[id.as_bytes()])[..16]);
        BASE64.encode(bytes)
    }

    /// The attempt behind a link of ours.
    pub(crate) fn read_link(&self, link: &str) -> Option<AttemptId> {
        let bytes: [u8; 32] = BASE64.decode(link).ok()?.try_into().ok()?;
        let id = AttemptId::new(uuid::Uuid::from_slice(&bytes[..16]).ok()?);
        let ours = self.mac("link", &[id.uuid().as_bytes()]);
        bool::from(ours[..16].ct_eq(&bytes[16..])).then_some(id)
    }

    /// What the page shows once this card is stored for this attempt. Another card makes another token.
    pub(crate) fn payment_token(&self, attempt: AttemptId, payment_method: &str) -> String {
        let mac = self.mac("payment token", &[attempt.uuid().as_bytes(), payment_method.as_bytes()]);
        format!("pt_{}", hex::encode(&mac[..20]))
    }

    pub(crate) fn is_payment_token(&self, typed: &str, attempt: AttemptId, payment_method: &str) -> bool {
        let ours = self.payment_token(attempt, payment_method);
        ours.as_bytes().ct_eq(typed.trim().as_bytes()).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// 256 random bits in 43 characters: a terminal's handle on its attempt.
pub(crate) fn new_session() -> SecretString {
    BASE64.encode(Ids.bytes::<32>()).into()
}

/// What is stored of a session secret.
pub(crate) fn session_hash(secret: &str) -> Digested {
    digest(secret.trim())
}

/// A password nobody knows, for clients that never ask for one.
pub(crate) fn random_password() -> SecretString {
    hex::encode(Ids.bytes::<32>()).into()
}

/// A plain hash will do: what is hashed has 160 bits or more.
fn digest(text: &str) -> Digested {
    Digested(Sha256::digest(text.as_bytes()).to_vec())
}

/// Eight letters, each as likely as the others.
fn short_form() -> String {
    let mut text = String::with_capacity(SHORT);
    while text.len() < SHORT {
        for byte in Ids.bytes::<16>() {
            if let Some(letter) = ALPHABET.get(usize::from(byte & 31)).filter(|_| text.len() < SHORT) {
                text.push(char::from(*letter));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn keys() -> Keys {
        Keys::new([7; 32])
    }

    fn attempt(n: u128) -> AttemptId {
        AttemptId::new(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn the_alphabet_has_thirty_letters_that_nobody_confuses() {
        let letters: HashSet<u8> = ALPHABET.iter().copied().collect();
        assert_eq!(letters.len(), ALPHABET.len());
        assert!(b"ILOU01".iter().all(|confusing| !letters.contains(confusing)));
    }

    #[test]
    fn a_code_is_found_in_both_its_forms_however_it_was_typed() {
        let keys = keys();
        let code = keys.new_code();
        let (long, short) = (code.long.expose_secret(), code.short.expose_secret());
        assert!(long.len() == 40 && long.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(short.len() == 9 && short.as_bytes()[4] == b'-');
        for typed in [
            long.to_owned(),
            format!("  {}\n", long.to_ascii_uppercase()),
            format!("{} {}", &long[..20], &long[20..]),
        ] {
            assert!(matches!(keys.read_code(&typed.into()), Some(TypedCode::Long(hash)) if hash.is(&code.long_hash)));
        }
        for typed in [short.to_owned(), short.replace('-', ""), short.to_ascii_lowercase()] {
            assert!(matches!(keys.read_code(&typed.into()), Some(TypedCode::Short(hash)) if hash.is(&code.short_hash)));
        }
        for typed in ["", "1234567", "123456789", &"g".repeat(40), &"a".repeat(41), "ключключ"] {
            assert!(keys.read_code(&SecretString::from(typed)).is_none(), "{typed}");
        }
    }

    #[test]
    fn without_the_key_a_short_form_cannot_be_looked_for() {
        let code = keys().new_code();
        let other = Keys::new([8; 32]);
        let Some(TypedCode::Short(hash)) = other.read_code(&code.short) else {
            panic!("a short form")
        };
        assert!(!hash.is(&code.short_hash));
    }

    #[test]
    fn a_link_names_its_attempt_and_cannot_be_made_up() {
        let keys = keys();
        let link = keys.link(attempt(5));
        assert_eq!((link.len(), keys.read_link(&link)), (43, Some(attempt(5))));
        let mut bytes = BASE64.decode(&link).expect("own");
        bytes[15] ^= 1;
        assert_eq!(keys.read_link(&BASE64.encode(bytes)), None, "another attempt");
        assert_eq!(Keys::new([8; 32]).read_link(&link), None, "another server");
        for bad in ["", "x", "../..", &link[..42]] {
            assert_eq!(keys.read_link(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_payment_token_is_for_one_attempt_and_one_card() {
        let keys = keys();
        let token = keys.payment_token(attempt(5), "pm_1");
        assert!(keys.is_payment_token(&format!(" {token}\n"), attempt(5), "pm_1"));
        for (other, card) in [(attempt(6), "pm_1"), (attempt(5), "pm_2")] {
            assert!(!keys.is_payment_token(&token, other, card));
        }
        assert!(!keys.is_payment_token("", attempt(5), "pm_1"));
        assert!(!keys.is_payment_token("pm_1", attempt(5), "pm_1"));
    }

    #[test]
    fn nothing_here_shows_itself() {
        let keys = keys();
        let code = keys.new_code();
        let shown = format!("{keys:?} {:?} {:?} {:?}", code.long, code.short_hash, new_session());
        assert!(
            !shown.contains(code.long.expose_secret()) && !shown.contains("[7"),
            "{shown}"
        );
    }
}
