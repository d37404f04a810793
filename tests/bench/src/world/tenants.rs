//! Tenants of a local server: each with a namespace, a token of its own, and a plan's limits. There are many, so that
//! the rate which one plan allows does not bound what the server does.

use anyhow::Result;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use micro_clock::{Clock, SystemClock};
use micro_tenancy::tokens::{KeyRing, Purpose, SigningKey, Tokens};
use micro_testkit::principal;
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

/// Calls that a tenant makes before the next one takes over its connection. Each round begins with the same tenants, so
/// all rounds within ten seconds together are fewer than a plan allows.
const TURN: u64 = 1_000;

/// Tenants, and the key that signed their tokens.
pub struct Tenants {
    key: SigningKey,
    tokens: Vec<String>,
}

impl Tenants {
    /// The environment of their tokens: a local server's.
    pub const ENVIRONMENT: &str = "local";

    /// So many.
    pub fn found(count: usize) -> Self {
        let key = SigningKey::generate();
        let tokens = Tokens::new(KeyRing::new(&key, []), Self::ENVIRONMENT, "main", true);
        let now = SystemClock.now();
        let token = |number: usize| {
            let owner = principal(&format!("bench-{number}"), "owner");
            let issued = tokens.issue(Purpose::Access, &owner, Duration::HOUR, now);
            format!("Bearer {}", issued.token.expose_secret())
        };
        let tokens = (0..count).map(token).collect();
        Self { key, tokens }
    }

    /// What the server must be given, so that it accepts them.
    pub fn private_key(&self) -> SecretString {
        self.key.to_pem()
    }

    /// The same for others: a JSON web key set.
    pub fn key_set(&self) -> Result<String> {
        let pem = self.key.public().to_pem();
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(der)?;
        // The key's 32 bytes are the last of its SubjectPublicKeyInfo.
        let x = URL_SAFE_NO_PAD.encode(&der[der.len() - 32..]);
        let key = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.key.public().id(), "x": x,
        });
        Ok(serde_json::json!({ "keys": [key] }).to_string())
    }

    /// Each tenant's `authorization`.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

/// Whose turn it is on a connection after so many calls.
pub fn whose_turn(tenants: usize, connections: usize, connection: usize, calls: u64) -> usize {
    (connection + connections * (calls / TURN) as usize) % tenants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_on_a_connection() {
        assert_eq!(whose_turn(64, 4, 1, 0), 1);
        assert_eq!(whose_turn(64, 4, 1, TURN), 5);
        assert_eq!(whose_turn(64, 4, 3, 16 * TURN), 3);
    }

    #[test]
    fn others_can_check_the_tokens() {
        let tenants = Tenants::found(2);
        let keys: serde_json::Value = serde_json::from_str(&tenants.key_set().expect("a set")).expect("JSON");
        let x = keys["keys"][0]["x"].as_str().expect("a key");
        assert_eq!(URL_SAFE_NO_PAD.decode(x).expect("base64").len(), 32);
        assert!(tenants.tokens()[0].starts_with("Bearer ey") && tenants.tokens()[0] != tenants.tokens()[1]);
    }
}
