//! Keeps one service as it is wanted: builds what is new, starts it beside what serves, shifts, drains, restarts what
//! ended, and takes everything down at the end.

mod retention;

use std::{sync::Arc, time::Duration};

use micro_sandbox::Exit;
use micro_storage::StoreError;
use micro_tenancy::Tenant;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    build::{Built, Job},
    failure::{Failure, Stage},
    instance::{Running, Start, was_stable},
    service::{Desired, Service},
    shared::Shared,
    state::{Outcome, ReleaseRecord, ServiceRecord, Status},
};

/// Time for the last requests to an instance that is replaced.
const DRAIN: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    service: Arc<Service>,
    tenant: Tenant,
    desired: watch::Receiver<Desired>,
    /// The wanted release that was taken up.
    taken_up: Option<u64>,
    current: Option<Running>,
    building: Option<Task<Built>>,
    starting: Option<Task<Running>>,
    draining: JoinSet<()>,
    /// When to start again what ended.
    restart: Option<Instant>,
    pause: Duration,
}

/// Work on a release; dropping it ends the work.
struct Task<T> {
    release: u64,
    handle: JoinHandle<Result<T, Failure>>,
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

enum Event {
    Desired,
    Built(u64, Result<Built, Failure>),
    Started(u64, Result<Running, Failure>),
    Ended(Exit),
    Due,
}

impl Supervisor {
    pub(crate) fn new(shared: Arc<Shared>, service: Arc<Service>, adopted: Option<Running>) -> Self {
        let tenant = shared.store.enter(&service.namespace);
        let desired = service.desired.subscribe();
        Self {
            shared,
            service,
            tenant,
            desired,
            taken_up: None,
            current: adopted,
            building: None,
            starting: None,
            draining: JoinSet::new(),
            restart: None,
            pause: FIRST_PAUSE,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            match desired {
                Desired::Running(record) => {
                    if let Err(e) = self.steer(&record).await {
                        tracing::error!(error = ?e, service.name = self.service.id.name, "a service's records cannot be read");
                        self.restart = Some(Instant::now() + LONGEST_PAUSE);
                        self.taken_up = None;
                    }
                }
                Desired::Gone => {
                    self.end().await;
                    self.erase().await;
                    break;
                }
                Desired::Paused => {
                    self.end().await;
                    break;
                }
            }
            let event = self.next().await;
            if self.on_duty().await {
                self.handle(event).await;
            }
        }
        self.service.over.send_replace(true);
    }

    /// Whether what happened is still this server's to deal with. Where its time as the one that runs services may be
    /// over, waits to hear which it is: in between another one may have begun.
    async fn on_duty(&self) -> bool {
        if self.shared.duty.holds() {
            return true;
        }
        let mut desired = self.desired.clone();
        tokio::select! {
            () = self.shared.duty.held() => true,
            _ = desired.wait_for(|d| matches!(d, Desired::Paused)) => false,
        }
    }

    async fn next(&mut self) -> Event {
        let restart = self.restart;
        tokio::select! {
            _ = self.desired.changed() => Event::Desired,
            (release, built) = finished(&mut self.building, Stage::Build) => Event::Built(release, built),
            (release, started) = finished(&mut self.starting, Stage::Create) => Event::Started(release, started),
            exit = ended(&self.current) => Event::Ended(exit),
            () = due(restart) => Event::Due,
        }
    }

    /// Takes up a release that is newly wanted, and starts what should run and does not.
    async fn steer(&mut self, record: &ServiceRecord) -> Result<(), StoreError> {
        while self.draining.try_join_next().is_some() {}
        if self.taken_up != Some(record.wanted) {
            self.building = None;
            self.starting = None;
            let release = self
                .shared
                .store
                .release(&self.tenant, &self.service.id, record.wanted)
                .await?;
            self.taken_up = Some(record.wanted);
            self.take_up(record, release).await;
        }
        let idle = self.current.is_none() && self.starting.is_none() && self.restart.is_none();
        if idle && let Some(good) = record.good {
            let release = self.shared.store.release(&self.tenant, &self.service.id, good).await?;
            if let Some(release) = release {
                self.start(record, &release);
            }
        }
        Ok(())
    }

    async fn take_up(&mut self, record: &ServiceRecord, release: Option<ReleaseRecord>) {
        self.restart = None;
        self.pause = FIRST_PAUSE;
        let now = self.shared.clock.now();
        let feed = self.service.feed();
        let Some(release) = release else {
            return self
                .failed(
                    record.wanted,
                    &Failure::said(Stage::Build, "the release is not recorded: run it again"),
                )
                .await;
        };
        match &release.outcome {
            Outcome::Pending => {
                feed.status(Status::Building, now);
                self.observe(Status::Building);
                self.service.observe(|seen| seen.error = None);
                self.build(record);
            }
            // Started before the server was, and adopted.
            Outcome::Built { .. } if self.current.as_ref().is_some_and(|c| c.release == release.number) => {
                feed.runs(now);
                self.observe(Status::Running);
            }
            Outcome::Built { .. } => self.start(record, &release),
            Outcome::Failed { error } => {
                feed.failed(error.clone(), now);
                self.service.observe(|seen| seen.error = Some(error.clone()));
                self.observe(Status::Error);
            }
        }
    }

    fn build(&mut self, record: &ServiceRecord) {
        let job = Job {
            tenant: self.tenant.clone(),
            source_tenant: self.shared.store.enter(&record.source_namespace),
            home: self.service.home.clone(),
            uid_base: Some(self.service.uid_base),
            source: record.source.clone(),
            entrypoint: record.entrypoint.clone(),
            git_credentials: self.service.git_credentials(),
            feed: self.service.feed(),
        };
        let shared = self.shared.clone();
        let handle = tokio::spawn(async move { shared.builder.build(&job).await });
        self.building = Some(Task {
            release: record.wanted,
            handle,
        });
    }

    fn start(&mut self, record: &ServiceRecord, release: &ReleaseRecord) {
        let Outcome::Built { artifact, command } = &release.outcome else {
            return;
        };
        self.restart = None;
        self.observe(Status::Starting);
        self.service.feed().status(Status::Starting, self.shared.clock.now());
        let start = Start {
            release: release.number,
            made: release.created_at,
            artifact: artifact.clone(),
            command: command.clone(),
            env: release.env.clone(),
            stage: if record.good.is_some() {
                Stage::Update
            } else {
                Stage::Create
            },
        };
        let running = Running::start(self.shared.clone(), self.service.clone(), record.clone(), start);
        self.starting = Some(Task {
            release: release.number,
            handle: tokio::spawn(running),
        });
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Desired => {}
            Event::Due => self.restart = None,
            Event::Built(release, Ok(built)) => self.built(release, built).await,
            Event::Built(release, Err(failure)) => self.failed(release, &failure).await,
            Event::Started(_, Ok(running)) => self.shift(running).await,
            Event::Started(release, Err(failure)) => self.not_started(release, &failure).await,
            Event::Ended(exit) => self.ended(exit).await,
        }
    }

    async fn built(&mut self, number: u64, built: Built) {
        let Some(record) = self.wanted(number) else { return };
        let outcome = Outcome::Built {
            artifact: built.artifact,
            command: built.command,
        };
        match self.settle(number, outcome).await {
            Ok(Some(release)) => self.start(&record, &release),
            Ok(None) => {}
            Err(e) => self.failed(number, &Failure::ours(Stage::Upload, e)).await,
        }
    }

    /// Records how far a release came.
    async fn settle(&self, number: u64, outcome: Outcome) -> Result<Option<ReleaseRecord>, StoreError> {
        let found = self
            .shared
            .store
            .release(&self.tenant, &self.service.id, number)
            .await?;
        let Some(mut release) = found else { return Ok(None) };
        release.outcome = outcome;
        self.shared
            .store
            .put_release(&self.tenant, &self.service.id, &release)
            .await?;
        Ok(Some(release))
    }

    /// What served before serves on; the reason is told.
    async fn failed(&mut self, number: u64, failure: &Failure) {
        let error = failure.to_string();
        if let Err(e) = self.settle(number, Outcome::Failed { error: error.clone() }).await {
            tracing::error!(error = ?e, "a failed release is not recorded");
        }
        self.service.observe(|seen| seen.error = Some(error.clone()));
        self.observe(Status::Error);
        self.service.feed().failed(error, self.shared.clock.now());
        self.tidy().await;
    }

    /// The new instance serves; what served before is drained.
    async fn shift(&mut self, running: Running) {
        let number = running.release;
        running.serve();
        self.service.observe(|seen| {
            seen.build = Some(running.artifact.clone());
            if self.taken_up == Some(number) {
                seen.error = None;
            }
        });
        if let Some(old) = self.current.replace(running) {
            let mut desired = self.service.desired.subscribe();
            let no_more_time = async move {
                let _ = desired.wait_for(|d| !matches!(d, Desired::Running(_))).await;
            };
            self.draining.spawn(old.drain(DRAIN, no_more_time));
        }
        self.observe(Status::Running);
        if let Some(record) = self.wanted(number) {
            // Recorded before it is told: whoever knows that it runs will find it running after a crash.
            if record.good != Some(number)
                && let Err(e) = self.remember_good(number).await
            {
                tracing::error!(error = ?e, "a good release is not recorded");
            }
            self.service.feed().runs(self.shared.clock.now());
        }
        self.tidy().await;
    }

    async fn remember_good(&self, number: u64) -> Result<(), StoreError> {
        while let Some((mut record, seen)) = self.shared.store.service(&self.tenant, &self.service.id).await? {
            record.good = Some(number);
            if self.shared.store.replace(&self.tenant, &record, seen).await? {
                self.service.desired.send_if_modified(|desired| match desired {
                    Desired::Running(known) => {
                        known.good = Some(number);
                        true
                    }
                    _ => false,
                });
                return Ok(());
            }
        }
        Ok(())
    }

    async fn not_started(&mut self, number: u64, failure: &Failure) {
        let good = match &*self.service.desired.borrow() {
            Desired::Running(record) => record.good,
            _ => return,
        };
        if good != Some(number) {
            return self.failed(number, failure).await;
        }
        self.service.observe(|seen| seen.error = Some(failure.to_string()));
        self.service.feed().failed(failure.to_string(), self.shared.clock.now());
        self.again_later();
    }

    async fn ended(&mut self, exit: Exit) {
        let Some(running) = self.current.take() else { return };
        tracing::info!(service.name = self.service.id.name, instance.id = %running.id, reason = %exit.reason, "an instance ended");
        if was_stable(running.since) {
            self.pause = FIRST_PAUSE;
        }
        let why = running.why(&exit);
        running.stop().await;
        self.service.observe(|seen| seen.error = Some(why));
        self.again_later();
    }

    fn again_later(&mut self) {
        self.tidy_disk();
        self.observe(Status::Error);
        self.restart = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// What serves decides the status; otherwise how far the next one came.
    fn observe(&self, status: Status) {
        let status = if self.current.is_some() {
            Status::Running
        } else {
            status
        };
        self.service.observe(|seen| seen.status = status);
    }

    /// The record, if it is still this release that is wanted.
    fn wanted(&self, number: u64) -> Option<ServiceRecord> {
        match &*self.service.desired.borrow() {
            Desired::Running(record) if record.wanted == number => Some((**record).clone()),
            _ => None,
        }
    }

    /// Takes everything down.
    async fn end(&mut self) {
        self.building = None;
        self.starting = None;
        self.service.observe(|seen| seen.status = Status::Stopping);
        if let Some(running) = self.current.take() {
            running.stop().await;
        }
        while self.draining.join_next().await.is_some() {}
        self.service.observe(|seen| seen.status = Status::Stopped);
        self.service.feed().stopped(self.shared.clock.now());
    }
}

async fn finished<T>(task: &mut Option<Task<T>>, stage: Stage) -> (u64, Result<T, Failure>) {
    let Some(running) = task else {
        return std::future::pending().await;
    };
    let result = match (&mut running.handle).await {
        Ok(result) => result,
        Err(e) => Err(Failure::ours(stage, e)),
    };
    let release = running.release;
    *task = None;
    (release, result)
}

async fn ended(current: &Option<Running>) -> Exit {
    match current {
        Some(running) => running.wait().await,
        None => std::future::pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
