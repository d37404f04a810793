//! The rules as the doors read them: a snapshot a namespace, at most five seconds old.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use micro_domain::Namespace;
use micro_error::Error;
use micro_tenancy::{
    Tenant,
    rules::{RuleSet, Rulebook},
};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

use crate::App;

/// From this age on one request reads the rules again, while others go on with what there is.
const STALE: Duration = Duration::milliseconds(2_500);
/// From this age on every request waits for them.
const EXPIRED: Duration = Duration::seconds(5);

/// The page of one namespace.
#[derive(Default)]
pub struct Book {
    read: ArcSwapOption<(Arc<RuleSet>, OffsetDateTime)>,
    /// Held while reading, and by whoever changed the rules: what is read then cannot be from before.
    reading: Mutex<()>,
}

impl Book {
    fn younger_than(&self, age: Duration, now: OffsetDateTime) -> Option<Arc<RuleSet>> {
        let read = self.read.load();
        read.as_ref()
            .filter(|read| (now - read.1).abs() < age)
            .map(|read| read.0.clone())
    }
}

impl App {
    /// Makes this process's doors see a change at once.
    pub(crate) async fn forget_rules(&self, tenant: &Tenant) {
        let book = self.rules.get_or_insert_with(tenant.id(), Arc::default);
        let _nobody_reads = book.reading.lock().await;
        book.read.store(None);
    }
}

#[async_trait]
impl Rulebook for App {
    async fn rules(&self, namespace: &Namespace) -> Result<Arc<RuleSet>, Error> {
        let now = self.parts.clock.now();
        let book = self.rules.get_or_insert_with(namespace.id, Arc::default);
        if let Some(rules) = book.younger_than(STALE, now) {
            return Ok(rules);
        }
        let _reading = match (book.reading.try_lock(), book.younger_than(EXPIRED, now)) {
            (Ok(reading), _) => reading,
            (Err(_), Some(rules)) => return Ok(rules),
            (Err(_), None) => book.reading.lock().await,
        };
        if let Some(rules) = book.younger_than(STALE, now) {
            return Ok(rules);
        }
        let tenant = self.enter(namespace.clone());
        let rules = self
            .list_rules(&tenant, now)
            .await
            .map_err(|e| e.at("auth.Rules.List"))?;
        let rules = Arc::new(RuleSet::new(rules));
        book.read.store(Some(Arc::new((rules.clone(), now))));
        Ok(rules)
    }

    fn remembered(&self, namespace: &Namespace) -> Option<Arc<RuleSet>> {
        self.rules
            .get(&namespace.id)?
            .younger_than(STALE, self.parts.clock.now())
    }
}
