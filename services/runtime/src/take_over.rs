//! From the records of what is to run to running it: where the server before this one was killed, what it left is
//! adopted or ended.

use std::{fs, sync::Arc};

use futures::future::join_all;
use micro_sandbox::Keeper;

use crate::{
    Runtime, StartError,
    instance::{GRACE, Running, read_note},
    layout::{Home, Run, RunKind},
    service::Service,
    state::{Outcome, ReleaseRecord, ServiceRecord},
};

impl Runtime {
    /// Reads what is to run, adopts what runs, ends what nobody wants, and starts the rest. Instances get their doors
    /// here, so the doors must be open.
    pub async fn take_over(&self) -> Result<(), StartError> {
        // Nothing is supervised twice.
        self.lay_down().await;
        let mut wanted = Vec::new();
        for record in self.shared.store.namespaces().await? {
            let tenant = self.shared.store.enter(&record.namespace);
            for service in self.shared.store.services(&tenant).await? {
                wanted.push((record.namespace.clone(), record.uid_base, service));
            }
        }
        let mut homes: Vec<Home> = self.shared.layout.homes()?.into_iter().map(|(_, home)| home).collect();
        let mut unwanted = Vec::new();
        for (namespace, uid_base, record) in wanted {
            let home = self.shared.layout.home(namespace.id, &record.id);
            homes.retain(|other| other.path() != home.path());
            home.ensure()?;
            let service = Service::new(namespace, home, uid_base, record.clone(), None);
            let (adopted, others) = self.adopt(&service, &record).await?;
            unwanted.extend(others);
            clear_releases(&service.home, adopted.as_ref())?;
            let key = (service.namespace.id, service.id.clone());
            let supervised = self.supervise(service, adopted);
            self.services().insert(key, supervised);
        }
        for home in &homes {
            unwanted.extend(left_in(home)?.into_iter().map(|(_, keeper)| keeper));
        }
        join_all(unwanted.iter().map(|keeper| keeper.stop(GRACE))).await;
        for home in homes {
            home.remove()?;
        }
        Ok(())
    }

    /// Ends what an earlier server of this machine left running: another one runs it by now. Logs stay.
    pub async fn end_leftovers(&self) -> Result<(), StartError> {
        let mut left = Vec::new();
        for (_, home) in self.shared.layout.homes()? {
            left.extend(left_in(&home)?.into_iter().map(|(_, keeper)| keeper));
        }
        if !left.is_empty() {
            tracing::info!(instances = left.len(), "ending what another server runs by now");
        }
        join_all(left.iter().map(|keeper| keeper.stop(GRACE))).await;
        Ok(())
    }

    /// What still runs of a service: the instance of its good release, and everything else.
    async fn adopt(
        &self,
        service: &Arc<Service>,
        record: &ServiceRecord,
    ) -> Result<(Option<Running>, Vec<Keeper>), StartError> {
        let tenant = self.shared.store.enter(&service.namespace);
        let good = match record.good {
            Some(number) => self.shared.store.release(&tenant, &service.id, number).await?,
            None => None,
        };
        let (mut adopted, mut others) = (None, Vec::new());
        for (run, keeper) in left_in(&service.home)? {
            let artifact = good.as_ref().and_then(|release| artifact_of(&run, release));
            let (Some(artifact), Some(release), None) = (artifact, &good, &adopted) else {
                others.push(keeper);
                continue;
            };
            let (id, number) = (run.id, release.number);
            match Running::adopt(self.shared.clone(), service.clone(), run, keeper, number, artifact).await {
                Ok(running) => adopted = Some(running),
                // It was ended by being dropped; a new one starts.
                Err(e) => tracing::warn!(error = %e, instance.id = %id, "an instance could not be adopted"),
            }
        }
        Ok((adopted, others))
    }
}

/// The runs of a service whose keepers live.
fn left_in(home: &Home) -> Result<Vec<(Run, Keeper)>, StartError> {
    let runs = home.runs()?.into_iter();
    Ok(runs
        .filter_map(|run| Keeper::adopt(&run.dir).map(|keeper| (run, keeper)))
        .collect())
}

/// What a run serves, if it is an instance of this very release.
fn artifact_of(run: &Run, release: &ReleaseRecord) -> Option<String> {
    let note = read_note(run).filter(|_| run.kind == RunKind::Instance)?;
    let same = note.release == release.number && note.made == release.created_at;
    match &release.outcome {
        Outcome::Built { artifact, .. } if same => Some(artifact.clone()),
        _ => None,
    }
}

/// Takes away what was unpacked, but what runs: since then the service may have been removed and made anew elsewhere,
/// and its numbers begun again.
fn clear_releases(home: &Home, running: Option<&Running>) -> Result<(), StartError> {
    let stale = home.releases()?.into_iter();
    for number in stale.filter(|number| running.is_none_or(|r| r.release != *number)) {
        fs::remove_dir_all(home.release(number))?;
    }
    Ok(())
}
