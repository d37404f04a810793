//! Webhook signatures: `t=<seconds>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA256 over `<t>.<body>`
//! (<https://docs.stripe.com/webhooks#verify-manually>).

use std::fmt;

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

/// How far a signature's time may be from ours, either way.
const TOLERANCE: Duration = Duration::minutes(5);

/// Why a webhook was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No signature, or none of ours.
    #[error("the signature is not the payment provider's")]
    BadSignature,
    /// Signed, but long ago: somebody may be playing it back.
    #[error("the signature is too old")]
    Stale,
    /// Signed, but not an event.
    #[error("the body is not an event")]
    Malformed,
    /// Signed, but a test event for a live key, or the other way round.
    #[error("the event's mode is not that of our key")]
    WrongMode,
}

/// An event that was believed. It only says where to look: what happened is read from the provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique: the same event may come many times.
    pub id: String,
    /// `invoice.paid`, …
    pub kind: String,
    /// What sort of object it is about: `invoice`, `subscription`, `charge`, …
    pub object: String,
    /// That object's id.
    pub object_id: String,
    /// When it happened.
    pub created_at: OffsetDateTime,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} {} {})", self.id, self.kind, self.object_id)
    }
}

/// Checks webhooks against an endpoint's secret.
#[derive(Clone, Debug)]
pub struct WebhookVerifier {
    secret: SecretString,
    livemode: bool,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    livemode: bool,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    object: String,
    #[serde(default)]
    id: String,
}

impl WebhookVerifier {
    /// For an endpoint's secret (`whsec_…`), and the mode of the key we act with.
    pub fn new(secret: SecretString, livemode: bool) -> Self {
        Self { secret, livemode }
    }

    /// The event, if it is to be believed.
    pub fn verify(&self, body: &[u8], signature: &str, now: OffsetDateTime) -> Result<Event, WebhookError> {
        let (mut signed_at, mut candidates) = (None, Vec::new());
        for part in signature.split(',') {
            match part.trim().split_once('=') {
                Some(("t", t)) => signed_at = t.parse::<i64>().ok(),
                Some(("v1", hex)) => candidates.extend(hex::decode(hex)),
                _ => {}
            }
        }
        let signed_at = signed_at.ok_or(WebhookError::BadSignature)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes())
            .map_err(|_| WebhookError::BadSignature)?;
        mac.update(format!("{signed_at}.").as_bytes());
        mac.update(body);
        // During a roll of the secret there are two; each is compared in constant time.
        if !candidates.iter().any(|given| mac.clone().verify_slice(given).is_ok()) {
            return Err(WebhookError::BadSignature);
        }
        if (now.unix_timestamp() - signed_at).abs() > TOLERANCE.whole_seconds() {
            return Err(WebhookError::Stale);
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        if body.livemode != self.livemode {
            return Err(WebhookError::WrongMode);
        }
        let created_at = OffsetDateTime::from_unix_timestamp(body.created).map_err(|_| WebhookError::Malformed)?;
        let Object { object, id } = body.data.object;
        Ok(Event {
            id: body.id,
            kind: body.kind,
            object,
            object_id: id,
            created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed with openssl: printf '%s.%s' "$T" "$BODY" | openssl dgst -sha256 -hmac "$SECRET"
    const SECRET: &str = "whsec_vector_secret";
    const OLD_SECRET: &str = "whsec_vector_old";
    const BODY: &str = r#"{"id":"evt_1","type":"invoice.paid","created":1767225600,"livemode":false,"data":{"object":{"object":"invoice","id":"in_1"}}}"#;
    const T: i64 = 1_767_225_660;
    const GOOD: &str = "b933b31df1952db2536fc4f8e9e2932dd2a8675069167966f755e41490ce8069";
    const OLD: &str = "55cfee4ee5fde4abb9bc6f04a610f42b1c68954e079482f5d02d7c8bf55eb603";

    fn verify(signature: &str, body: &str, seconds: i64) -> Result<Event, WebhookError> {
        let now = OffsetDateTime::from_unix_timestamp(T + seconds).expect("in range");
        WebhookVerifier::new(SECRET.into(), false).verify(body.as_bytes(), signature, now)
    }

    #[test]
    fn a_signed_event_is_believed() {
        let event = verify(&format!("t={T},v1={GOOD}"), BODY, 0).expect("good");
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "invoice.paid"));
        assert_eq!((event.object.as_str(), event.object_id.as_str()), ("invoice", "in_1"));
    }

    #[test]
    fn one_of_two_signatures_is_enough_while_the_secret_is_rolled() {
        for header in [
            format!("t={T},v1={OLD},v1={GOOD}"),
            format!("t={T},v1={GOOD},v1={OLD},v0=ab"),
        ] {
            assert!(verify(&header, BODY, 0).is_ok(), "{header}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let other_time = T + 1;
        for header in [
            String::new(),
            "nonsense".into(),
            format!("t={T}"),
            format!("v1={GOOD}"),
            format!("t={T},v1={OLD}"),
            format!("t={T},v0={GOOD}"),
            format!("t={T},v1="),
            format!("t={T},v1={}", &GOOD[..62]),
            format!("t={other_time},v1={GOOD}"),
        ] {
            assert_eq!(verify(&header, BODY, 0), Err(WebhookError::BadSignature), "{header}");
        }
        assert_eq!(
            verify(&format!("t={T},v1={GOOD}"), &BODY.replace("in_1", "in_2"), 0),
            Err(WebhookError::BadSignature)
        );
    }

    #[test]
    fn a_signature_is_good_for_five_minutes() {
        let header = format!("t={T},v1={GOOD}");
        assert!(verify(&header, BODY, 300).is_ok() && verify(&header, BODY, -300).is_ok());
        assert_eq!(verify(&header, BODY, 301), Err(WebhookError::Stale));
        assert_eq!(verify(&header, BODY, -301), Err(WebhookError::Stale));
    }

    #[test]
    fn a_test_event_never_moves_live_money() {
        let now = OffsetDateTime::from_unix_timestamp(T).expect("in range");
        let live = WebhookVerifier::new(SECRET.into(), true);
        assert_eq!(
            live.verify(BODY.as_bytes(), &format!("t={T},v1={GOOD}"), now),
            Err(WebhookError::WrongMode)
        );
    }

    #[test]
    fn the_secret_is_not_printed() {
        let verifier = WebhookVerifier::new(OLD_SECRET.into(), false);
        assert!(!format!("{verifier:?}").contains("vector"));
    }
}
