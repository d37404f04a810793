//! The doors: parse, call, render. Namespaces that messages name are entered by `Caller`'s own rules.

mod accounts;
mod auth;
mod rules;
mod sessions;

use micro_domain::Namespace;
use micro_proto::auth as wire;
use micro_tenancy::{Caller, Reach};
use secrecy::ExposeSecret;
use time::Duration;

use crate::{App, app::Granted, store::accounts::Account};

/// The namespace that a message names; none means the caller's own.
fn named(options: Option<&wire::Options>) -> &str {
    options.map_or("", |options| &options.namespace)
}

/// [`named`], where a local administrator may also name it by header, as Micro's clients do.
fn named_or_header<'r>(caller: &'r Caller, options: Option<&'r wire::Options>) -> &'r str {
    let everywhere = caller.principal().is_some_and(|p| p.reach == Reach::Local);
    match named(options) {
        "" if everywhere => caller.metadata().get("micro-namespace").map_or("", String::as_str),
        named => named,
    }
}

/// An account as others may see it: without its secret.
fn account(account: &Account, namespace: &Namespace) -> wire::Account {
    wire::Account {
        id: account.id.to_string(),
        r#type: account.kind.as_str().into(),
        metadata: account.metadata.clone(),
        scopes: account.scopes.clone(),
        issuer: namespace.name.to_string(),
        secret: String::new(),
        name: account.name.clone(),
    }
}

fn token(granted: &Granted) -> wire::Token {
    wire::Token {
        access_token: granted.access.token.expose_secret().into(),
        refresh_token: granted.refresh.expose_secret().into(),
        created: granted.access.created.unix_timestamp(),
        expiry: granted.access.expires.unix_timestamp(),
    }
}

impl App {
    /// How long an access token is to last: what is asked for, up to our own limit.
    fn ttl(&self, asked: i64) -> Duration {
        match asked {
            ..=0 => self.config.token_ttl,
            seconds => Duration::seconds(seconds).min(self.config.token_ttl),
        }
    }
}
