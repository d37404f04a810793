//! Log: append-only topics with dense offsets from 0 per (namespace, topic).

use async_trait::async_trait;
use bytes::Bytes;
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use crate::StoreError;

/// One entry as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Dense, from 0.
    pub offset: u64,
    /// When it was appended.
    pub at: OffsetDateTime,
    /// Its bytes.
    pub payload: Bytes,
}

/// Entries for one topic, appended together.
#[derive(Clone, Debug)]
pub struct Append<'t> {
    /// Whose topic.
    pub tenant: &'t Tenant,
    /// Which; no NUL.
    pub topic: String,
    /// In order; at least one.
    pub payloads: Vec<Bytes>,
}

impl Append<'_> {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        check_topic(&self.topic)?;
        if self.payloads.is_empty() {
            return Err(StoreError::Invalid("there is nothing to append".into()));
        }
        Ok(())
    }
}

/// Refuses a topic's name with NUL, and one too long for an index.
pub(crate) fn check_topic(topic: &str) -> Result<(), StoreError> {
    const MAX: usize = 1_000;
    if topic.contains('\0') || topic.len() > MAX {
        return Err(StoreError::Invalid(format!(
            "a topic's name has at most {MAX} bytes and no NUL"
        )));
    }
    Ok(())
}

/// The offsets that a batch took: `first..first + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the batch's first entry.
    pub first: u64,
    /// How many there are.
    pub count: u64,
}

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extent {
    /// Offset of the oldest entry kept.
    pub start: u64,
    /// Offset that the next entry will take.
    pub next: u64,
}

/// Entries, up to and with the one that reaches so many bytes.
pub(crate) fn page(
    entries: impl Iterator<Item = Result<Entry, StoreError>>,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut bytes = 0;
    entries
        .take(limit)
        .take_while(|entry| {
            let room = bytes < max_bytes;
            bytes += entry.as_ref().map_or(0, |entry| entry.payload.len());
            room
        })
        .collect()
}

/// Append-only topics. Each append is durable when it returns.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends every batch, each to its own topic; one result per batch, in order.
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>>;

    /// Entries from `from` on (or from the oldest one kept, if that is later), at most `limit`.
    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The same, but no more than about `max_bytes`: it ends behind the entry with which they are reached, or, where
    /// that was stored together with others, behind those. Empty only where nothing is left.
    async fn read_page(
        &self,
        tenant: &Tenant,
        topic: &str,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// What the topic holds; the default where nothing was ever appended.
    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError>;

    /// The offset of the first entry appended at or after `at`; the next offset where there is none. Within a
    /// topic time never runs backwards: an entry is at least as late as the one before it.
    async fn offset_at(&self, tenant: &Tenant, topic: &str, at: OffsetDateTime) -> Result<u64, StoreError>;

    /// Forgets whole chunks that end before `before`; offsets are never used again.
    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError>;

    /// Removes every topic of the namespace, offsets and all. What is appended meanwhile may stay: safe to repeat.
    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError>;
}
