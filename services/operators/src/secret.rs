//! Operator secrets and tokens: 256 random bits, shown once, stored as a hash.

use micro_clock::Ids;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A fresh secret, recognisable by its beginning to whoever finds it in the wrong place.
pub(crate) fn fresh(ids: Ids, beginning: &str) -> SecretString {
    format!("{beginning}_{}", hex::encode(ids.bytes::<32>())).into()
}

/// What is stored of it. A plain hash: nobody guesses 256 bits.
pub(crate) fn hash(secret: &SecretString) -> String {
    hex::encode(Sha256::digest(secret.expose_secret().trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_hashes_do_not_show_them() {
        let (a, b) = (fresh(Ids, "mos"), fresh(Ids, "mos"));
        assert_ne!(a.expose_secret(), b.expose_secret());
        assert_eq!(a.expose_secret().len(), 4 + 64);
        assert_eq!(
            hash(&a),
            hash(&format!(" {}\n", a.expose_secret()).into()),
            "pasting leaves spaces"
        );
        assert!(!a.expose_secret().contains(&hash(&a)));
    }
}
