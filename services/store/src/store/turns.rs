//! Long searches of one namespace take turns, page by page, so that none of them, nor many, keep others' waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use micro_domain::NamespaceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages of long searches that one namespace reads at once.
pub const AT_ONCE: usize = 2;

/// The namespaces that search for long. Clones are the same.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<NamespaceId, Arc<Semaphore>>>>);

impl Turns {
    /// Waits for the namespace's turn, which lasts until this is dropped.
    pub async fn take(&self, namespace: NamespaceId) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !all.contains_key(&namespace) {
                all.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            let new = || Arc::new(Semaphore::new(AT_ONCE));
            all.entry(namespace).or_insert_with(new).clone()
        };
        // None only where it were closed, which nobody does.
        turns.acquire_owned().await.ok()
    }
}
