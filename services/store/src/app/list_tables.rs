//! Which databases and tables a namespace has: those that hold records. Reading makes none.

use micro_storage::StoreError;
use micro_tenancy::Tenant;

use crate::App;

impl App {
    /// The databases that hold records: none, or the one of the namespace's name.
    pub async fn list_databases(&self, tenant: &Tenant) -> Result<Vec<String>, StoreError> {
        let name = tenant.namespace().name.to_string();
        let tables = self.list_tables(tenant).await?;
        Ok(if tables.is_empty() { Vec::new() } else { vec![name] })
    }

    /// The tables that hold records, in order.
    pub async fn list_tables(&self, tenant: &Tenant) -> Result<Vec<String>, StoreError> {
        let name = tenant.namespace().name.as_str();
        let all = self.parts.records.tables(tenant).await?;
        let ours = all.into_iter().filter(|(database, _)| database == name);
        Ok(ours.map(|(_, table)| table).collect())
    }
}
