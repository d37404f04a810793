//! One running copy of a release: started, known to the core by its door, ended with everything it made.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt;
use micro_clock::Ids;
use micro_domain::{AccountId, InstanceId};
use micro_rpc::mesh::DoorGuard;
use micro_sandbox::{Bind, Door, Exit, ExitReason, Keeper, Kind, LaunchError, LogReader, Mode, Spec};
use micro_tenancy::{AccountKind, Principal, Reach};
use time::OffsetDateTime;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::{
    artifact,
    build::{artifact_key, blocking},
    environment::{Facts, of_service},
    failure::{Failure, Stage},
    layout::{InstanceNote, Run, RunKind, fresh_dir},
    service::Service,
    shared::Shared,
    state::ServiceRecord,
};

/// The core, as a confined service finds it.
const INGRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
/// Where a confined service listens.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where a confined service finds its artifact.
const APP: &str = "/app";
/// Time to register.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// Time for the end of an instance whose doors are gone already.
const LAST_BREATH: Duration = Duration::from_secs(2);
/// Time to end after TERM.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// What to start.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) release: u64,
    pub(crate) made: OffsetDateTime,
    pub(crate) artifact: String,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// What it counts as if it fails.
    pub(crate) stage: Stage,
}

/// An instance whose keeper lives. Dropping it ends it.
pub(crate) struct Running {
    pub(crate) id: InstanceId,
    pub(crate) release: u64,
    pub(crate) artifact: String,
    pub(crate) keeper: Keeper,
    pub(crate) since: Instant,
    run: Run,
    shared: Arc<Shared>,
    service: Arc<Service>,
    _door: Option<DoorGuard>,
    ended: bool,
}

impl Running {
    /// Starts an instance and waits until it is registered and can be reached.
    pub(crate) async fn start(
        shared: Arc<Shared>,
        service: Arc<Service>,
        record: ServiceRecord,
        start: Start,
    ) -> Result<Self, Failure> {
        let stage = start.stage;
        unpack(&shared, &service, &start).await?;
        let id = InstanceId::new(Ids.random());
        let principal = principal(&service, id);
        let credential = shared
            .credentials
            .issue(&principal)
            .await
            .map_err(|e| Failure::ours(stage, e))?;
        let confined = shared.launcher.mode().confines();
        let address = if confined {
            LISTEN
        } else {
            free_port().map_err(|e| Failure::ours(stage, e))?
        };
        let facts = Facts {
            name: &service.id.name,
            version: &service.id.version,
            namespace: service.namespace.name.as_str(),
            proxy: if confined {
                "127.0.0.1:8443"
            } else {
                &shared.network_address
            },
            address: &address.to_string(),
            auth_id: &credential.id,
            auth_secret: &credential.secret,
        };
        let env = of_service(
            &facts,
            &start.env,
            &shared.builder.toolchains.service_environment(confined),
        );
        let run = service.home.new_run(RunKind::Instance, id, shared.clock.now());
        write_note(&run, &start).map_err(|e| Failure::ours(stage, e))?;
        let spec = spec(&shared, &service, &record, &start, &run, env);
        // In a task of its own: if this future is dropped meanwhile, what was started is ended all the same.
        let launched = tokio::spawn(async move {
            match shared.launcher.launch(spec).await {
                Ok(keeper) => Ok(Self::of(shared, service, run, keeper, start.release, start.artifact)),
                Err(e) => {
                    shared.ended(&service, id).await;
                    Err(not_started(stage, &run, e))
                }
            }
        });
        let mut running = launched.await.map_err(|e| Failure::ours(stage, e))??;
        if let Err(e) = running.open_door(principal).await {
            // A program that has ended already has no doors; its end is what counts.
            return Err(match tokio::time::timeout(LAST_BREATH, running.keeper.wait()).await {
                Ok(Ok(exit)) => Failure::said(stage, running.why(&exit)),
                _ => Failure::ours(stage, e),
            });
        }
        running.healthy(stage).await?;
        Ok(running)
    }

    /// An instance that outlived the server before this one.
    pub(crate) async fn adopt(
        shared: Arc<Shared>,
        service: Arc<Service>,
        run: Run,
        keeper: Keeper,
        release: u64,
        artifact: String,
    ) -> std::io::Result<Self> {
        let principal = principal(&service, run.id);
        let mut running = Self::of(shared, service, run, keeper, release, artifact);
        running.open_door(principal).await?;
        running.serve();
        Ok(running)
    }

    fn of(
        shared: Arc<Shared>,
        service: Arc<Service>,
        run: Run,
        keeper: Keeper,
        release: u64,
        artifact: String,
    ) -> Self {
        let since = Instant::now();
        Self {
            id: run.id,
            release,
            artifact,
            keeper,
            since,
            run,
            shared,
            service,
            _door: None,
            ended: false,
        }
    }

    async fn open_door(&mut self, principal: Principal) -> std::io::Result<()> {
        if !self.shared.launcher.mode().confines() {
            return Ok(());
        }
        let doors = self.keeper.doors().await.map_err(std::io::Error::other)?;
        for (_, listener) in doors {
            listener.set_nonblocking(true)?;
            self._door = Some(self.shared.ingress.open(listener, principal.clone())?);
        }
        Ok(())
    }

    /// Registered, and something listens there.
    async fn healthy(&self, stage: Stage) -> Result<(), Failure> {
        let registered = async {
            let port = self.shared.registrations.registered(self.id, HEALTHY_WITHIN).await?;
            self.reachable(port).await.then_some(port)
        };
        tokio::select! {
            port = registered => match port {
                Some(_) => Ok(()),
                None => {
                    let reason = format!("it did not register, or not listen, within {} seconds", HEALTHY_WITHIN.as_secs());
                    Err(Failure::said(stage, with_last_line(&self.run, reason)))
                }
            },
            exit = self.keeper.wait() => {
                let exit = exit.map_err(|e| Failure::ours(stage, e))?;
                Err(Failure::said(stage, self.why(&exit)))
            }
        }
    }

    async fn reachable(&self, port: u16) -> bool {
        // It registers once it listens; this only bridges the moments between.
        for pause in [5, 20, 100, 500, 1_000] {
            if self.keeper.connect(port).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        false
    }

    /// Why it ended, with what it said last.
    pub(crate) fn why(&self, exit: &Exit) -> String {
        with_last_line(&self.run, format!("it {}", exit.reason))
    }

    /// Lets requests through.
    pub(crate) fn serve(&self) {
        self.shared
            .instances
            .serve(self.service.namespace.id, self.id, self.keeper.clone());
    }

    /// Waits for its own end.
    pub(crate) async fn wait(&self) -> Exit {
        match self.keeper.wait().await {
            Ok(exit) => exit,
            Err(e) => {
                tracing::error!(error = %e, instance.id = %self.id, "an instance cannot be watched any more");
                Exit {
                    reason: ExitReason::Lost,
                    at: None,
                }
            }
        }
    }

    /// Ends it, with time for a goodbye.
    pub(crate) async fn stop(mut self) {
        self.ended = true;
        self.shared.instances.leave_out(self.id);
        if let Err(e) = self.keeper.stop(GRACE).await {
            tracing::error!(error = %e, instance.id = %self.id, "an instance does not end");
        }
        self.shared.ended(&self.service, self.id).await;
    }

    /// Takes it out of the routes, waits for its last requests or until there is no more time, and ends it.
    pub(crate) async fn drain(self, within: Duration, no_more_time: impl Future<Output = ()>) {
        self.shared.instances.leave_out(self.id);
        tokio::select! {
            _ = self.shared.traffic.drained(self.id, within) => {}
            () = no_more_time => {}
        }
        self.stop().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.shared.instances.leave_out(self.id);
        let (keeper, shared, service, id) = (self.keeper.clone(), self.shared.clone(), self.service.clone(), self.id);
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(e) = keeper.stop(GRACE).await {
                tracing::error!(error = %e, instance.id = %id, "an instance does not end");
            }
            shared.ended(&service, id).await;
        });
    }
}

/// Who an instance is.
fn principal(service: &Service, id: InstanceId) -> Principal {
    let account = format!("{}-{}", service.id.name, service.id.version);
    Principal {
        namespace: service.namespace.clone(),
        account: AccountId::new(account.clone()),
        name: account,
        kind: AccountKind::Service,
        scopes: vec!["service".to_owned()],
        session: None,
        instance: Some(id),
        reach: Reach::Own,
    }
}

fn spec(
    shared: &Shared,
    service: &Service,
    record: &ServiceRecord,
    start: &Start,
    run: &Run,
    env: Vec<(String, String)>,
) -> Spec {
    let mut command = if record.command.is_empty() {
        start.command.clone()
    } else {
        record.command.clone()
    };
    command.extend(record.args.iter().cloned());
    let artifact = service.home.release(start.release);
    let confined = shared.launcher.mode().confines();
    let limits = shared.limits;
    Spec {
        id: run.id,
        state_dir: run.dir.clone(),
        kind: Kind::Service,
        command,
        env,
        cwd: if confined { APP.into() } else { artifact.clone() },
        binds: vec![Bind {
            source: artifact,
            target: APP.into(),
            writable: false,
        }],
        limits: micro_sandbox::Limits {
            memory_bytes: limits.memory_bytes.max,
            tasks: limits.tasks.max,
            log_bytes: limits.log_bytes.max / 2,
            ..micro_sandbox::Limits::default()
        },
        doors: vec![Door {
            name: "ingress".to_owned(),
            inside: INGRESS,
        }],
        uid_base: (shared.launcher.mode() == Mode::Root).then_some(service.uid_base),
    }
}

fn write_note(run: &Run, start: &Start) -> std::io::Result<()> {
    let note = InstanceNote {
        release: start.release,
        made: start.made,
    };
    fs::write(run.note(), serde_json::to_vec(&note)?)
}

/// What an instance's folder says about it.
pub(crate) fn read_note(run: &Run) -> Option<InstanceNote> {
    serde_json::from_slice(&fs::read(run.note()).ok()?).ok()
}

fn not_started(stage: Stage, run: &Run, e: LaunchError) -> Failure {
    match e {
        LaunchError::Step(failure) => Failure::said(stage, failure),
        LaunchError::Keeper(_) if let Some(exit) = Exit::recorded(&run.dir) => {
            Failure::said(stage, with_last_line(run, format!("it {}", exit.reason)))
        }
        e => Failure::ours(stage, e),
    }
}

fn with_last_line(run: &Run, reason: String) -> String {
    match last_line(run) {
        Some(line) => format!("{reason} ({line})"),
        None => reason,
    }
}

/// What it said last: usually why it ended. After a panic the last line is advice of Rust's.
fn last_line(run: &Run) -> Option<String> {
    let entries = LogReader::tail(run.logs(), 5).and_then(|mut log| log.read(5)).ok()?;
    entries.into_iter().rev().find_map(|entry| match entry {
        micro_sandbox::Entry::Line(line)
            if line.stream != micro_sandbox::Stream::System
                && !line.text.trim().is_empty()
                && !line.text.starts_with("note: ") =>
        {
            Some(line.text.trim().chars().take(300).collect())
        }
        _ => None,
    })
}

fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Puts the artifact where instances of this release find it, once.
async fn unpack(shared: &Shared, service: &Service, start: &Start) -> Result<(), Failure> {
    let stage = start.stage;
    let folder = service.home.release(start.release);
    if folder.is_dir() {
        return Ok(());
    }
    let tenant = shared.store.enter(&service.namespace);
    let found = shared
        .blobs
        .get(&tenant, &artifact_key(&start.artifact))
        .await
        .map_err(|e| Failure::ours(stage, e))?;
    let (_, bytes) = found.ok_or_else(|| Failure::said(stage, "its artifact is gone: run it again"))?;
    let packed = SyncIoBridge::new(StreamReader::new(bytes.map_err(std::io::Error::other)));
    blocking(stage, move || {
        // Whole or not at all: a folder of that name is taken for complete.
        let part = folder.with_extension("part");
        fresh_dir(&part).map_err(|e| Failure::ours(stage, e))?;
        artifact::unpack(packed, &part).map_err(|e| Failure::of_archive(stage, e))?;
        fs::rename(&part, &folder).map_err(|e| Failure::ours(stage, e))
    })
    .await
}

/// Whether it had been healthy for long enough to forgive its end.
pub(crate) fn was_stable(since: Instant) -> bool {
    since.elapsed() >= Duration::from_secs(60)
}

/// For status: when something began.
pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}
