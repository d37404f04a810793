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

use crate::{App, AuthError, store::tally::Counted};

/// From this age on one request reads the rules again, while others go on with what there is.
const STALE: Duration = Duration::milliseconds(2_500);
/// From this age on every request waits for them.
const EXPIRED: Duration = Duration::seconds(5);

/// What was read of one namespace's rules.
#[derive(Clone)]
struct Page {
    rules: Arc<RuleSet>,
    /// The version that the tally of rules had before they were read.
    version: Option<u64>,
    /// When that was, or when it was last seen to be the same.
    at: OffsetDateTime,
}

/// The page of one namespace.
#[derive(Default)]
pub struct Book {
    read: ArcSwapOption<Page>,
    /// Held while reading, and by whoever changed the rules: what is read then cannot be from before.
    reading: Mutex<()>,
}

impl Book {
    fn younger_than(&self, age: Duration, now: OffsetDateTime) -> Option<Arc<RuleSet>> {
        let read = self.read.load();
        read.as_ref()
            .filter(|page| (now - page.at).abs() < age)
            .map(|page| page.rules.clone())
    }
}

impl App {
    /// Makes this process's doors see a change at once.
    pub(crate) async fn forget_rules(&self, tenant: &Tenant) {
        let book = self.rules.get_or_insert_with(tenant.id(), Arc::default);
        let _nobody_reads = book.reading.lock().await;
        book.read.store(None);
    }

    /// The rules as they are now: read whole only if any was added or removed since `known`.
    async fn read_page(
        &self,
        namespace: &Namespace,
        known: Option<&Page>,
        now: OffsetDateTime,
    ) -> Result<Page, AuthError> {
        let tenant = self.enter(namespace.clone());
        // Before the rules themselves: what changes in between is seen the next time.
        let version = self.store(&tenant, now).version_of(Counted::Rules).await?;
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(Page {
                at: now,
                ..known.clone()
            });
        }
        let rules = self.list_rules(&tenant, now).await?;
        Ok(Page {
            rules: Arc::new(RuleSet::new(rules)),
            version,
            at: now,
        })
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
        let known = book.read.load_full();
        let page = self
            .read_page(namespace, known.as_deref(), now)
            .await
            .map_err(|e| e.at("auth.Rules.List"))?;
        let rules = page.rules.clone();
        book.read.store(Some(Arc::new(page)));
        Ok(rules)
    }

    fn remembered(&self, namespace: &Namespace) -> Option<Arc<RuleSet>> {
        self.rules
            .get(&namespace.id)?
            .younger_than(STALE, self.parts.clock.now())
    }
}
