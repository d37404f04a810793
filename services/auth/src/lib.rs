//! Accounts, secrets, sessions and rules: who is who in each namespace, and who may call what.
//!
//! `grpc` are the doors, `app` the operations, `store` what is kept. Elsewhere, `micro_tenancy` verifies the
//! tokens made here and decides by the rules kept here.

mod app;
mod config;
mod error;
mod grpc;
mod passwords;
mod ports;
mod refresh;
mod store;

use std::{sync::Arc, time::Duration as Patience};

use micro_clock::Clock;
use micro_domain::{Namespace, NamespaceId, NamespaceName};
use micro_limits::Limiter;
use micro_proto::auth::{AccountsServer, AuthServer, RulesServer, SessionsServer};
use micro_rpc::Service;
use micro_storage::records::Records;
use micro_tenancy::{Authority, Revocations, SystemTask, Tenant, Verifier, bounded::Bounded, tokens::Tokens};
use time::OffsetDateTime;
use tokio::sync::{Mutex, OnceCell};

use crate::passwords::Passwords;
pub use config::AuthConfig;
pub use error::AuthError;
pub use ports::{Directory, LocalNamespaces, Namespaces, NoDirectory};
pub use refresh::RefreshKey;

use crate::{app::rulebook::Book, refresh::RefreshTokens};

/// What auth stands on: boot fills it.
pub struct Parts {
    /// Where accounts, sessions and rules are kept.
    pub records: Arc<dyn Records>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// To enter the namespaces that tokens and logins name.
    pub authority: Authority,
    /// Makes and reads tokens.
    pub tokens: Arc<Tokens>,
    /// Told of what ends; shared with the doors' verifier.
    pub revocations: Arc<Revocations>,
    /// The doors' verifier: its cache answers Inspect too.
    pub verifier: Arc<Verifier>,
    /// Counts tries at secrets.
    pub limiter: Arc<dyn Limiter>,
    /// Finds the namespaces of an e-mail address.
    pub directory: Arc<dyn Directory>,
    /// Finds a namespace by its name.
    pub namespaces: Arc<dyn Namespaces>,
}

/// The auth service. Clones are the same service.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    config: Arc<AuthConfig>,
    passwords: Arc<Passwords>,
    refresh: Arc<RefreshTokens>,
    rules: Arc<Bounded<NamespaceId, Arc<Book>>>,
    /// Set once a local server has its first user.
    admin: Arc<OnceCell<()>>,
    /// Up to when the stored revocations have been read.
    followed: Arc<Mutex<Option<OffsetDateTime>>>,
}

impl App {
    /// The service on its parts. Starts the threads that hash passwords.
    pub fn new(parts: Parts, config: AuthConfig) -> Self {
        let refresh = RefreshTokens::new(config.refresh_keys.clone());
        Self {
            parts: Arc::new(parts),
            config: Arc::new(config),
            passwords: Arc::new(Passwords::start()),
            refresh: Arc::new(refresh),
            rules: Arc::new(Bounded::new(10_000)),
            admin: Arc::default(),
            followed: Arc::default(),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(AuthServer::new(app.clone())),
            Arc::new(AccountsServer::new(app.clone())),
            Arc::new(RulesServer::new(app.clone())),
            Arc::new(SessionsServer::new(app)),
        ]
    }

    /// Reads what other replicas, or this one before its last start, have revoked; then again every two seconds,
    /// until it is dropped. Boot awaits [`Self::load_revocations`] once before any door opens, and spawns this.
    pub async fn follow_revocations(self) {
        let mut tick = tokio::time::interval(Patience::from_secs(2));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.load_revocations().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "revocations could not be read"
                );
            }
        }
    }

    /// Leave to act in a namespace that a verified name, token or directory entry led to.
    fn enter(&self, namespace: Namespace) -> Tenant {
        self.parts.authority.enter(SystemTask::Doors, namespace)
    }

    /// Where auth keeps what belongs to no single namespace: revocations and the credentials of instances.
    fn platform(&self) -> Tenant {
        self.enter(Namespace::of_local(NamespaceName::micro()))
    }
}
