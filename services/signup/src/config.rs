//! What sign-up is told, and what it stands on.

use std::sync::Arc;

use micro_clock::Clock;
use micro_domain::Money;
use micro_limits::{Limiter, Rate};
use micro_mail::Mailer;
use micro_proto::{
    auth::Sessions,
    billing::Billing,
    namespaces::{Identities, Namespaces},
};
use micro_storage::Db;
use micro_tenancy::Authority;
use time::Duration;
use url::Url;

use crate::Keys;

/// What sign-up is told.
pub struct SignupConfig {
    /// Where the web door is reached: links start with it.
    pub public_url: Url,
    /// A month's price; none where nothing is charged (`MICRO_PAYMENTS=off`).
    pub price: Option<Money>,
    /// Derives links, payment tokens and the hashes of short codes.
    pub keys: Keys,
    /// How often who may ask for what.
    pub limits: SignupLimits,
}

/// How often who may ask for what.
#[derive(Clone, Copy, Debug)]
pub struct SignupLimits {
    /// Letters to one address.
    pub letters_per_address: Rate,
    /// Attempts started from one network.
    pub starts_per_network: Rate,
    /// Handles that turned out to be none, from one network.
    pub misses_per_network: Rate,
    /// Card pages opened for one attempt.
    pub checkouts_per_attempt: Rate,
}

impl Default for SignupLimits {
    fn default() -> Self {
        Self {
            letters_per_address: Rate::of(5, Duration::HOUR),
            starts_per_network: Rate::of(60, Duration::HOUR),
            misses_per_network: Rate::of(60, Duration::HOUR),
            checkouts_per_attempt: Rate::of(20, Duration::HOUR),
        }
    }
}

/// What sign-up stands on.
#[derive(Clone)]
pub struct Ports {
    /// Attempts and codes, jobs and sagas.
    pub db: Db,
    /// Cards, subscriptions, refunds. Never called where nothing is charged.
    pub billing: Arc<dyn Billing>,
    /// Passwords, accounts, logins.
    pub sessions: Arc<dyn Sessions>,
    /// Names and walls.
    pub namespaces: Arc<dyn Namespaces>,
    /// Which address belongs where.
    pub identities: Arc<dyn Identities>,
    /// Letters.
    pub mail: Arc<dyn Mailer>,
    /// Rates.
    pub limits: Arc<dyn Limiter>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Speaks for the platform to the services above.
    pub authority: Authority,
}
