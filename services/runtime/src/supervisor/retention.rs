//! What is kept of a service, and what is left when it is gone.

use micro_storage::StoreError;

use super::Supervisor;
use crate::{
    build::artifact_key,
    doors::source_key,
    service::Desired,
    state::{Outcome, ReleaseRecord},
};

/// Releases kept, with their artifacts.
const KEPT: usize = 10;
/// Runs of instances and builds whose logs are kept, beside the bound on their bytes.
const RUNS: usize = 100;

impl Supervisor {
    /// Forgets releases beyond the last ten, artifacts that no release names, and logs beyond the bound.
    pub(super) async fn tidy(&self) {
        let tidied = async {
            let keep = match &*self.service.desired.borrow() {
                Desired::Running(record) => [Some(record.wanted), record.good],
                _ => return Ok(()),
            };
            let releases = self.shared.store.releases(&self.tenant, &self.service.id).await?;
            let old = releases.len().saturating_sub(KEPT);
            let old: Vec<_> = releases[..old]
                .iter()
                .filter(|r| !keep.contains(&Some(r.number)))
                .cloned()
                .collect();
            self.forget(&old).await
        };
        if let Err(e) = tidied.await {
            tracing::warn!(error = ?e, "old releases are not forgotten yet");
        }
        self.tidy_disk();
    }

    async fn forget(&self, old: &[ReleaseRecord]) -> Result<(), StoreError> {
        let numbers: Vec<u64> = old.iter().map(|r| r.number).collect();
        self.shared
            .store
            .forget_releases(&self.tenant, &self.service.id, &numbers)
            .await?;
        let kept = self.shared.store.all_releases(&self.tenant).await?;
        for release in old {
            if let Outcome::Built { artifact, .. } = &release.outcome {
                let named =
                    |r: &ReleaseRecord| matches!(&r.outcome, Outcome::Built { artifact: a, .. } if a == artifact);
                if !kept.iter().any(named) {
                    self.shared.blobs.delete(&self.tenant, &artifact_key(artifact)).await?;
                }
            }
        }
        Ok(())
    }

    /// Unpacked releases that nothing runs, and the oldest logs.
    pub(super) fn tidy_disk(&self) {
        let serving = self.current.as_ref().map(|r| r.release);
        let starting = self.starting.as_ref().map(|t| t.release);
        let last = self.taken_up;
        for number in self.service.home.releases().unwrap_or_default() {
            if ![serving, starting, last].contains(&Some(number)) && self.draining.is_empty() {
                let _ = std::fs::remove_dir_all(self.service.home.release(number));
            }
        }
        let runs = self.service.home.runs().unwrap_or_default();
        let mut bytes = 0;
        for (nth, run) in runs.iter().rev().enumerate() {
            bytes += size(&run.logs());
            let too_much = bytes > self.shared.limits.log_bytes.max || nth >= RUNS;
            if too_much
                && micro_sandbox::Keeper::adopt(&run.dir).is_none()
                && let Err(e) = run.remove()
            {
                tracing::warn!(error = %e, "an old log stays behind");
            }
        }
    }

    /// Removes all that was stored for it.
    pub(super) async fn erase(&self) {
        let erased = async {
            let releases = self.shared.store.releases(&self.tenant, &self.service.id).await?;
            self.forget(&releases).await?;
            let source = source_key(&self.service.id);
            self.shared.blobs.delete(&self.tenant, &source).await.map(drop)
        };
        if let Err(e) = erased.await {
            tracing::warn!(error = ?e, "something of a removed service stays behind");
        }
        let home = self.service.home.clone();
        match tokio::task::spawn_blocking(move || home.remove()).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!(error = %e, "a removed service's folder stays behind"),
            Err(e) => tracing::warn!(error = %e, "a removed service's folder stays behind"),
        }
    }
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|e| Some(e.metadata().ok()?.len())).sum()
}
