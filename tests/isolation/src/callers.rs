//! Everybody who has no business with the victim.

use anyhow::{Context, Result};
use micro_clock::{Clock, Ids, SystemClock};
use micro_domain::InstanceId;
use micro_tenancy::{
    Principal,
    tokens::{EXCHANGED_TTL, KeyRing, Purpose, SigningKey, Tokens},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use time::Duration;

use crate::{
    doors::{Doors, Shown},
    victim::{Customer, Victim, log_in},
};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody, naming the victim.
    NoToken,
    /// The victim, an hour ago.
    Expired,
    /// Another tenant's administrator, naming the victim in every field that can name a namespace.
    OtherTenant,
    /// The same, naming nothing, with the victim's ids.
    OtherTenantById,
    /// A running service of another tenant, with its own token.
    OtherService,
    /// The victim, logged out.
    Revoked,
    /// One of the victim's own services, with what it was given to see for whom it is asked.
    WrongAudience,
    /// An account of the victim's namespace that is no administrator.
    FewerScopes,
    /// Another tenant's administrator, with the victim in the header `Micro-Namespace`.
    SwappedHeader,
}

impl Who {
    /// Whether its token is good, for something of its own.
    pub fn has_an_account(self) -> bool {
        matches!(
            self,
            Self::OtherTenant | Self::OtherTenantById | Self::FewerScopes | Self::SwappedHeader
        )
    }
}

/// A caller, ready to call.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// Who.
    pub who: Who,
    /// Its token and header.
    pub shown: Shown,
    /// Whether it names the victim's namespace in its requests.
    pub names: bool,
}

/// The platform's own keys, for tokens that nobody would be given.
struct Mint(Tokens);

impl Mint {
    fn of(key: &str) -> Result<Self> {
        let key = SigningKey::parse(key)?;
        Ok(Self(Tokens::new(KeyRing::new(&key, []), "local", "main", false)))
    }

    fn principal(&self, token: &SecretString) -> Result<Principal> {
        let claims = self.0.verify(token.expose_secret(), Purpose::Access, SystemClock.now());
        Ok(self.0.principal(&claims.context("a real token is verified here too")?))
    }

    fn expired(&self, principal: &Principal) -> SecretString {
        let issued = self.0.issue(
            Purpose::Access,
            principal,
            Duration::minutes(15),
            SystemClock.now() - Duration::HOUR,
        );
        issued.token
    }

    fn exchanged(&self, principal: &Principal, service: &str) -> SecretString {
        self.0
            .issue(Purpose::Exchanged(service), principal, EXCHANGED_TTL, SystemClock.now())
            .token
    }

    fn of_an_instance(&self, principal: &Principal) -> SecretString {
        let instance = Principal {
            session: None,
            instance: Some(InstanceId::new(Ids.random())),
            ..principal.clone()
        };
        self.0
            .issue(Purpose::Access, &instance, Duration::minutes(15), SystemClock.now())
            .token
    }
}

/// All of them. `key` is the platform's signing key.
pub async fn all(doors: &Doors, victim: &Victim, other: &Customer, key: &str) -> Result<Vec<Hostile>> {
    let mint = Mint::of(key)?;
    let ada = mint.principal(&victim.token)?;
    let eve = log_in(doors, &other.email, &other.password, &other.namespace).await?;
    let eve_again = log_in(doors, &other.email, &other.password, &other.namespace).await?;
    let eve_is = mint.principal(&eve)?;
    let service = format!("{}/{}", victim.known.namespace, victim.known.service);
    let hostile = |who, token: Option<SecretString>, header: Option<&str>, names| Hostile {
        who,
        shown: Shown {
            token,
            header: header.map(str::to_owned),
        },
        names,
    };
    let header = Some(victim.known.namespace.as_str());
    Ok(vec![
        hostile(Who::NoToken, None, header, true),
        hostile(Who::Expired, Some(mint.expired(&ada)), None, true),
        hostile(Who::OtherTenant, Some(eve.clone()), None, true),
        hostile(Who::OtherTenantById, Some(eve_again.clone()), None, false),
        hostile(Who::OtherService, Some(mint.of_an_instance(&eve_is)), None, true),
        hostile(Who::Revoked, Some(logged_out(doors, victim).await?), None, true),
        hostile(Who::WrongAudience, Some(mint.exchanged(&ada, &service)), None, true),
        hostile(Who::FewerScopes, Some(victim.helper(doors).await?), None, true),
        hostile(Who::SwappedHeader, Some(eve), header, false),
    ])
}

async fn logged_out(doors: &Doors, victim: &Victim) -> Result<SecretString> {
    let token = log_in(
        doors,
        &victim.customer.email,
        &victim.customer.password,
        &victim.known.namespace,
    )
    .await?;
    doors.tell("/auth.Sessions/End", json!({}), &token).await?;
    Ok(token)
}
