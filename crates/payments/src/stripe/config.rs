//! What Stripe needs to know about us, checked before anything is sent.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// An account of ours with Stripe.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// Another address than Stripe's own: a double. Without TLS it must be this machine.
    pub api_base: Option<Url>,
    /// `sk_test_…`, `sk_live_…`, or a restricted `rk_…`.
    pub secret_key: SecretString,
    /// `pk_…`: not used by the server, but its mode must be the secret key's.
    pub publishable_key: Option<String>,
    /// `whsec_…`.
    pub webhook_secret: SecretString,
    /// The price of the plan: `price_…`.
    pub price: String,
    /// How long one call may take before its outcome counts as unknown.
    pub timeout: Duration,
}

/// What is wrong with it, by the name of its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Neither a test nor a live key.
    #[error("STRIPE_SECRET_KEY must begin with sk_test_, sk_live_, rk_test_ or rk_live_")]
    SecretKey,
    /// Not a key, or of the other mode.
    #[error("STRIPE_PUBLISHABLE_KEY must begin with pk_ and be of the same mode as STRIPE_SECRET_KEY")]
    PublishableKey,
    /// Not a webhook secret.
    #[error("STRIPE_WEBHOOK_SECRET must begin with whsec_")]
    WebhookSecret,
    /// No price.
    #[error("STRIPE_PRICE_ID must not be empty")]
    Price,
    /// Not an address, or one that would carry a key in the clear.
    #[error("STRIPE_API_BASE must be https://, or http:// on this machine")]
    ApiBase,
}

impl StripeConfig {
    /// An account with Stripe itself.
    pub fn new(secret_key: SecretString, webhook_secret: SecretString, price: impl Into<String>) -> Self {
        Self {
            api_base: None,
            secret_key,
            publishable_key: None,
            webhook_secret,
            price: price.into(),
            timeout: Duration::from_secs(20),
        }
    }

    /// Whether the keys are live; or what is wrong.
    pub(super) fn check(&self) -> Result<bool, InvalidConfig> {
        let secret = self.secret();
        let livemode = ["sk_live_", "rk_live_"].iter().any(|p| secret.starts_with(p));
        let testmode = ["sk_test_", "rk_test_"].iter().any(|p| secret.starts_with(p));
        if !livemode && !testmode {
            return Err(InvalidConfig::SecretKey);
        }
        let expected = if livemode { "pk_live_" } else { "pk_test_" };
        if self
            .publishable_key
            .as_ref()
            .is_some_and(|key| !key.starts_with(expected))
        {
            return Err(InvalidConfig::PublishableKey);
        }
        if !self.webhook_secret.expose_secret().starts_with("whsec_") {
            return Err(InvalidConfig::WebhookSecret);
        }
        if self.price.is_empty() {
            return Err(InvalidConfig::Price);
        }
        self.base().map(|_| livemode)
    }

    pub(super) fn secret(&self) -> &str {
        self.secret_key.expose_secret()
    }

    /// Where requests go; ends in a slash, as the client needs it.
    pub(super) fn base(&self) -> Result<String, InvalidConfig> {
        let Some(url) = &self.api_base else {
            return Ok("https://api.stripe.com/".into());
        };
        let here = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && here) {
            return Err(InvalidConfig::ApiBase);
        }
        let text = String::from(url.clone());
        Ok(if text.ends_with('/') { text } else { format!("{text}/") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> StripeConfig {
        StripeConfig {
            publishable_key: Some("pk_test_1".into()),
            ..StripeConfig::new("sk_test_1".into(), "whsec_1".into(), "price_1")
        }
    }

    #[test]
    fn keys_of_two_modes_are_refused() {
        assert_eq!(config().check(), Ok(false));
        let live = StripeConfig {
            secret_key: "sk_live_1".into(),
            ..config()
        };
        assert_eq!(live.check(), Err(InvalidConfig::PublishableKey));
        let live = StripeConfig {
            publishable_key: Some("pk_live_1".into()),
            ..live
        };
        assert_eq!(live.check(), Ok(true));
        let swapped = StripeConfig {
            secret_key: "pk_test_1".into(),
            ..config()
        };
        assert_eq!(swapped.check(), Err(InvalidConfig::SecretKey));
        let unsigned = StripeConfig {
            webhook_secret: "".into(),
            ..config()
        };
        assert_eq!(unsigned.check(), Err(InvalidConfig::WebhookSecret));
    }

    #[test]
    fn a_key_does_not_travel_in_the_clear() {
        let at = |base: &str| {
            StripeConfig {
                api_base: Some(base.parse().expect("an address")),
                ..config()
            }
            .base()
        };
        assert_eq!(at("http://127.0.0.1:4242"), Ok("http://127.0.0.1:4242/".into()));
        assert_eq!(
            at("https://stripe.example/api"),
            Ok("https://stripe.example/api/".into())
        );
        for bad in ["http://stripe.example", "http://127.0.0.1.example", "ftp://127.0.0.1"] {
            assert_eq!(at(bad), Err(InvalidConfig::ApiBase), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = StripeConfig {
            secret_key: "sk_test_hush".into(),
            webhook_secret: "whsec_hush".into(),
            ..config()
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
