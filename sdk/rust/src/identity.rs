//! This service's own account: the credential the runtime gave it, and the short token made from it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    Account, Error,
    client::{Call, Client},
    frame,
    value::number,
};

/// A token is renewed when less than this is left of it.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

pub(crate) struct Identity {
    account: Option<Account>,
    namespace: String,
    token: Mutex<Option<Token>>,
}

#[derive(Clone, Deserialize)]
struct Token {
    access_token: String,
    /// Unix seconds; 64-bit numbers are strings in protobuf's JSON.
    #[serde(deserialize_with = "number")]
    expiry: u64,
}

#[derive(Deserialize)]
struct TokenResponse {
    token: Token,
}

impl Identity {
    pub(crate) fn new(account: Option<Account>, namespace: String) -> Self {
        Self {
            account,
            namespace,
            token: Mutex::new(None),
        }
    }

    /// A token that is good for a while yet; none where the runtime gave no credential (its door says who we are).
    pub(crate) async fn token(&self, client: &Client) -> Result<Option<String>, Error> {
        let Some(account) = &self.account else { return Ok(None) };
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|t| t.expiry > unix_now() + RENEW_BEFORE.as_secs()) {
            return Ok(Some(token.access_token.clone()));
        }
        let request = json!({
            "id": account.id,
            "secret": account.secret,
            "token_expiry": "600",
            "options": { "namespace": self.namespace },
        });
        let call = Call::new("auth", "Auth.Token");
        let answer = client.unary(&call, frame::encode_json(&request)?, None).await;
        match (answer, held.as_ref()) {
            (Ok(answer), _) => {
                let fresh: TokenResponse = frame::decode_json(&answer)?;
                *held = Some(fresh.token.clone());
                Ok(Some(fresh.token.access_token))
            }
            // The server may be on its way back: what is good for some seconds yet is tried.
            (Err(e), Some(token)) if e.code >= 408 && token.expiry > unix_now() => Ok(Some(token.access_token.clone())),
            (Err(e), _) => Err(e),
        }
    }

    /// This token was refused: the next one is fresh. What somebody else has renewed meanwhile stays.
    pub(crate) async fn forget(&self, refused: &str) {
        let mut held = self.token.lock().await;
        held.take_if(|token| token.access_token == refused);
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
