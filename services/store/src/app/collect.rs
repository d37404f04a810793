//! Removing bytes that nothing leads to: of blobs that were replaced or deleted, and of uploads that nobody ends.
//!
//! Bytes that somebody still reads here wait for that reader's end; a reader at another replica is told to begin
//! again.

use micro_domain::{Limit, Namespace};
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Scan, Write},
};
use micro_tenancy::{SystemTask, Tenant};

use super::uploads::key_of;
use crate::{App, store::blob_index::Leaving};

/// Readers of one blob at once.
pub const READERS: Limit = Limit {
    name: "store.readers",
    max: 256,
};

/// Namespaces whose bytes may have to be collected.
const NAMESPACES: &str = "store_blobs_namespaces";

impl App {
    /// Removes what uploads that nobody ends have left, and what could not be removed at once, of all namespaces.
    pub async fn collect(&self) -> Result<(), StoreError> {
        let platform = self.platform();
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        let mut scan = Scan::core(NAMESPACES, "");
        loop {
            let page = records.scan(&platform, scan.clone(), now).await?;
            let Some(last) = page.last() else { return Ok(()) };
            scan = scan.after(&last.key);
            for record in &page {
                // What fails for one is left for the next time.
                if let Err(error) = self.collect_by(&platform, record).await {
                    let (namespace, error) = (&record.key, &error as &dyn std::error::Error);
                    tracing::warn!(
                        namespace,
                        error,
                        "bytes that nothing leads to were not removed, and are next time"
                    );
                }
            }
        }
    }

    /// The same of the namespace that this record tells of.
    async fn collect_by(&self, platform: &Tenant, record: &Record) -> Result<(), StoreError> {
        let namespace: Namespace = serde_json::from_slice(&record.value)
            .map_err(|_| StoreError::Damaged("a namespace with blobs does not parse".into()))?;
        let tenant = self.parts.authority.enter(SystemTask::Sweep, namespace);
        if self.collect_of(&tenant).await? {
            // What has begun since has written it again.
            let key = Key::core(NAMESPACES, record.key.as_str());
            let forget = Write::delete(key).expecting(Expect::Version(record.version));
            let now = self.parts.clock.now();
            self.parts.records.write(platform, vec![forget], now).await?;
        }
        Ok(())
    }

    /// The same of one namespace; whether it has nothing any more.
    async fn collect_of(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let index = self.index(tenant);
        let mut left = !index.list("", "", 1).await?.is_empty();
        for upload in index.uploads().await? {
            match upload.is_forgotten(index.now) {
                true => drop(index.give_up(&upload.id).await?),
                false => left = true,
            }
        }
        for leaving in index.leaving().await? {
            left |= !self.remove_bytes(tenant, &leaving).await?;
        }
        Ok(!left)
    }

    /// Writes down that the namespace has blobs or uploads: for [`App::collect`]. After the first is there, so that
    /// whoever finds none, and forgets the namespace, has done so before.
    pub(super) async fn remember(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let namespace = serde_json::to_vec(tenant.namespace()).map_err(StoreError::failed)?;
        let write = Write::put(Key::core(NAMESPACES, tenant.id().to_string()), namespace);
        let now = self.parts.clock.now();
        self.parts.records.write(&self.platform(), vec![write], now).await?;
        Ok(())
    }

    /// Removes bytes, unless somebody reads them; whether they are gone.
    pub(super) async fn remove_bytes(&self, tenant: &Tenant, leaving: &Leaving) -> Result<bool, StoreError> {
        if self.reading.count(&key_of(tenant, &leaving.id)) > 0 {
            return Ok(false);
        }
        for place in leaving.places() {
            self.parts.blobs.delete(tenant, &place).await?;
        }
        self.index(tenant).gone(leaving).await?;
        Ok(true)
    }

    /// Where what belongs to no namespace is kept.
    fn platform(&self) -> Tenant {
        let micro = Namespace::of_local(micro_domain::NamespaceName::micro());
        self.parts.authority.enter(SystemTask::Sweep, micro)
    }
}

/// An upload that ends with its sender: given up where it is dropped before it is done.
pub struct Unfinished(Option<(App, Tenant, String)>);

impl Unfinished {
    pub fn of(app: &App, tenant: &Tenant, id: &str) -> Self {
        Self(Some((app.clone(), tenant.clone(), id.to_owned())))
    }

    pub fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some((app, tenant, id)) = self.0.take() else { return };
        // Where the process is ending, it is collected later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = app.abandon_upload(&tenant, &id).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a broken upload was not removed: it is collected later");
            }
        });
    }
}
