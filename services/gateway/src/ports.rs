//! What the doors need of others.

use std::sync::Arc;

use async_trait::async_trait;
use micro_clock::Clock;
use micro_domain::{Namespace, NamespaceName};
use micro_error::Error;
use micro_limits::Limiter;
use micro_rpc::{Service, mesh::Routes};
use micro_tenancy::{Authority, Verified, Verifier, Verify, rules::Rulebook, tokens::Exchange};
use time::OffsetDateTime;

use crate::{Hop, Metrics};

/// Finds a namespace that no token speaks of: for callers without one, whom a header or a host name sends there.
#[async_trait]
pub trait FindNamespace: Send + Sync + 'static {
    /// The namespace of that name, if it takes requests.
    async fn find(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error>;
}

/// Reads exchanged tokens, which say for whom an instance asks.
pub trait InspectToken: Send + Sync + 'static {
    /// Whose the token is and what it was made for, if it is good now.
    fn inspect(&self, token: &str, now: OffsetDateTime) -> Option<Verified>;
}

impl InspectToken for Verifier {
    fn inspect(&self, token: &str, now: OffsetDateTime) -> Option<Verified> {
        Verifier::inspect(self, token, now)
    }
}

/// What the doors need of others.
#[derive(Clone)]
pub struct Ports {
    /// Makes callers of verified principals.
    pub authority: Authority,
    /// Says whose a token is.
    pub verifier: Arc<dyn Verify>,
    /// Says for whom an instance asks.
    pub inspector: Arc<dyn InspectToken>,
    /// The rules of each namespace.
    pub rulebook: Arc<dyn Rulebook>,
    /// Makes the tokens that tenants' services see.
    pub exchange: Arc<dyn Exchange>,
    /// Where services run, if not here.
    pub hop: Arc<Hop>,
    /// Where tenants' services are.
    pub routes: Arc<dyn Routes>,
    /// Which namespaces there are.
    pub namespaces: Arc<dyn FindNamespace>,
    /// Counts requests.
    pub limiter: Arc<dyn Limiter>,
    /// The core services that tenants may reach. What is not in this list cannot be reached through any door.
    pub core: Vec<Arc<dyn Service>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Counts what the doors do.
    pub metrics: Arc<Metrics>,
}
