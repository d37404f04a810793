//! What the store does, one operation a file.

pub mod blobs;
pub mod collect;
pub mod list_tables;
pub mod read_records;
pub mod snapshots;
pub mod uploads;
pub mod usage;
pub mod write_record;

use micro_storage::{StoreError, records::Key};
use micro_tenancy::Tenant;

/// A key of the tenant's database: that of its namespace's name.
fn key(tenant: &Tenant, table: &str, key: &str) -> Result<Key, StoreError> {
    Key::tenant(tenant.namespace().name.as_str(), table, key)
}
