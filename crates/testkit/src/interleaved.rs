//! Records in memory on which calls that run at once truly meet: those of [`MemoryRecords`] never wait, so that of many
//! calls joined together each would run to its end before the next begins, and no race would ever be lost.

use async_trait::async_trait;
use micro_storage::{
    StoreError,
    memory::MemoryRecords,
    records::{Key, Record, Records, Scan, Usage, Write, Written},
};
use micro_tenancy::Tenant;
use time::OffsetDateTime;
use tokio::task::yield_now;

/// [`MemoryRecords`] that let others go first before each call.
#[derive(Debug, Default)]
pub struct InterleavedRecords(MemoryRecords);

#[async_trait]
impl Records for InterleavedRecords {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        yield_now().await;
        self.0.get(tenant, keys, now).await
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        yield_now().await;
        self.0.write(tenant, batch, now).await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        yield_now().await;
        self.0.usage(tenant).await
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        yield_now().await;
        self.0.scan(tenant, scan, now).await
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        yield_now().await;
        self.0.tables(tenant).await
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        yield_now().await;
        self.0.sweep(now, limit).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        yield_now().await;
        self.0.erase(tenant).await
    }
}
