//! What differs between a local server and the platform.

use micro_domain::Limits;
use micro_limits::Rate;
use time::Duration;

use crate::RefreshKey;

/// How auth behaves.
#[derive(Clone)]
pub struct AuthConfig {
    /// A local server: Micro's own error texts, a public default rule, administrators of `micro` reach every
    /// namespace, services log in through the one door there is.
    pub local: bool,
    /// Make `admin` with secret `micro` where namespace `micro` has no user. Local servers only.
    pub default_admin: bool,
    /// How long an access token lasts at most, and unless a shorter time is asked for.
    pub token_ttl: Duration,
    /// How long a session lasts without being refreshed.
    pub session_idle: Duration,
    /// What one namespace may hold.
    pub limits: Limits,
    /// Tries at the secret of one account.
    pub logins_per_account: Rate,
    /// Tries at secrets from one network address.
    pub logins_per_address: Rate,
    /// Keys of the refresh tokens: the first makes new ones, all are accepted.
    pub refresh_keys: Vec<RefreshKey>,
}

impl AuthConfig {
    /// The platform's: closed until a rule opens.
    pub fn platform(refresh_keys: Vec<RefreshKey>) -> Self {
        Self {
            local: false,
            default_admin: false,
            token_ttl: Duration::minutes(15),
            session_idle: Duration::days(30),
            limits: Limits::DEVELOPER,
            logins_per_account: Rate::of(10, Duration::MINUTE),
            logins_per_address: Rate::of(60, Duration::MINUTE),
            refresh_keys,
        }
    }

    /// A laptop's: as upstream's own server, admin/micro included.
    pub fn local(refresh_keys: Vec<RefreshKey>) -> Self {
        Self {
            local: true,
            default_admin: true,
            token_ttl: Duration::HOUR,
            ..Self::platform(refresh_keys)
        }
    }
}
