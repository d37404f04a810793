//! From a source to an artifact: fetch, plan, compile, pack. Everything of the tenant's runs in a sandbox.

mod disk;
mod layer;
mod rust;
mod step;
mod toolchain;

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use micro_clock::{Clock, Ids};
use micro_domain::{InstanceId, Limits};
use micro_sandbox::{Launcher, LogWriter, Mode};
use micro_storage::{StoreError, blobs::Blobs};
use micro_tenancy::Tenant;
use secrecy::SecretString;
use time::OffsetDateTime;
use tokio::{io::AsyncReadExt, sync::Semaphore};
use tokio_util::io::{StreamReader, SyncIoBridge};

pub use layer::{Layer, LayerError, Layers};
pub(crate) use step::Sandboxed;
pub use toolchain::Toolchains;

use crate::{
    artifact::{self, Packed},
    egress::BuildEgress,
    failure::{Failure, Stage},
    feed::Feed,
    layout::{Home, Run, RunKind, fresh_dir, private_dir},
    plan::{self, Build, Plan},
    source::{
        address::{Address, check_folder},
        archive::{self, Bounds, Contents},
        git,
    },
};

/// What is to be built, and for whom.
pub struct Job {
    /// Where to leave the artifact.
    pub tenant: Tenant,
    /// Where to read an upload.
    pub source_tenant: Tenant,
    /// Its folder.
    pub home: Home,
    /// Root mode: the uids of its namespace.
    pub uid_base: Option<u32>,
    /// An upload's key or a git address.
    pub source: String,
    /// The folder of the source that holds the service; empty is the address's own.
    pub entrypoint: String,
    /// For private repositories, while fetching only.
    pub git_credentials: Option<SecretString>,
    /// Who waits for it.
    pub feed: Arc<Feed>,
}

/// What a build leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// SHA-256 of the artifact, which is stored.
    pub artifact: String,
    /// What starts it.
    pub command: Vec<String>,
}

/// Builds.
pub struct Builder {
    pub(crate) launcher: Launcher,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) toolchains: Toolchains,
    pub(crate) layers: Option<Arc<Layers>>,
    pub(crate) egress: Arc<BuildEgress>,
    pub(crate) limits: Limits,
    pub(crate) places: Semaphore,
}

impl Builder {
    /// Makes an artifact. Dropping the future ends whatever it started.
    pub async fn build(&self, job: &Job) -> Result<Built, Failure> {
        let place = self
            .places
            .acquire()
            .await
            .map_err(|e| Failure::ours(Stage::Build, e))?;
        let notes = Notes::open(self, job)?;
        let result = self.build_in(job, &notes).await;
        drop(place);
        // What a build leaves behind is the tenant's, and large.
        if let Err(e) = remove(job.home.work()).await {
            tracing::warn!(error = %e, "a build's folder stays behind");
        }
        let cache = job.home.cache();
        match tokio::task::spawn_blocking(move || disk::trim(&cache)).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                notes.say("What builds left for the next one had grown too big: the next one starts without")
            }
            Ok(Err(e)) => tracing::warn!(error = %e, "a build's cache could not be measured"),
            Err(e) => tracing::warn!(error = %e, "a build's cache could not be measured"),
        }
        if let Err(failure) = &result {
            notes.say(failure.to_string());
        }
        result
    }

    async fn build_in(&self, job: &Job, notes: &Notes<'_>) -> Result<Built, Failure> {
        let (source, entrypoint) = self.fetch(job, notes).await?;
        let plan = {
            let (source, entrypoint) = (source.clone(), entrypoint.clone());
            blocking(Stage::Build, move || {
                plan::plan(&source, &entrypoint).map_err(Failure::of_plan)
            })
            .await?
        };
        let packed = self.make(job, notes, &source, &entrypoint, &plan).await?;
        notes.say(format!(
            "Built {}, {} KiB packed",
            &packed.digest[..12],
            packed.bytes.div_ceil(1024)
        ));
        self.store(&job.tenant, &packed).await?;
        Ok(Built {
            artifact: packed.digest,
            command: plan.command,
        })
    }

    /// Puts the source into a fresh folder; with the folder in it that is to be built.
    async fn fetch(&self, job: &Job, notes: &Notes<'_>) -> Result<(std::path::PathBuf, String), Failure> {
        let work = job.home.work();
        fresh_dir(&work).map_err(|e| Failure::ours(Stage::Load, e))?;
        let address = Address::parse(&job.source).map_err(|e| Failure::said(Stage::Parse, e))?;
        let (tar, stage, entrypoint): (Box<dyn std::io::Read + Send>, _, _) = match address {
            Address::Upload(key) => {
                let found = self
                    .blobs
                    .get(&job.source_tenant, &key)
                    .await
                    .map_err(|e| Failure::ours(Stage::Load, e))?;
                let (_, bytes) = found.ok_or_else(|| Failure::said(Stage::Load, "nothing was uploaded"))?;
                let reader = StreamReader::new(bytes.map_err(std::io::Error::other));
                (Box::new(SyncIoBridge::new(reader)), Stage::Load, job.entrypoint.clone())
            }
            Address::Git(address) => {
                notes.say(format!("Fetching {}", address.url));
                let tar = git::fetch(self, job, &address).await?;
                let folder = if job.entrypoint.is_empty() {
                    address.folder
                } else {
                    job.entrypoint.clone()
                };
                (Box::new(tar), Stage::Fetch, folder)
            }
        };
        check_folder(&entrypoint).map_err(|e| Failure::said(stage, e))?;
        let source = work.join("source");
        let bounds = Bounds {
            bytes: self.limits.upload_bytes,
            entries: self.limits.upload_entries,
        };
        let (into, known, now) = (source.clone(), job.home.contents(), SystemTime::from(self.clock.now()));
        blocking(stage, move || {
            fresh_dir(&into).map_err(|e| Failure::ours(stage, e))?;
            let before = read_contents(&known);
            let contents =
                archive::unpack(tar, &into, bounds, &before, now).map_err(|e| Failure::of_archive(stage, e))?;
            write_contents(&known, &contents).map_err(|e| Failure::ours(stage, e))
        })
        .await?;
        Ok((source, entrypoint))
    }

    async fn make(
        &self,
        job: &Job,
        notes: &Notes<'_>,
        source: &Path,
        entrypoint: &str,
        plan: &Plan,
    ) -> Result<Packed, Failure> {
        let to = job.home.work().join("artifact.tar.zst");
        match &plan.build {
            Build::Nothing => {}
            Build::Command(command) => {
                notes.say("Building with the command in micro.toml");
                let mut step = Sandboxed::build(self, job, command.clone());
                let seen = step.see(source, rust::SOURCE, true);
                step.start_at(seen.join(entrypoint));
                step.run(Stage::Build).await?;
            }
            Build::Rust { bin, sdk } => {
                notes.say(format!("Building {bin} with cargo"));
                let target = rust::build(self, job, notes, source, entrypoint, bin, *sdk).await?;
                let path = format!("debug/{bin}");
                return blocking(Stage::Build, move || {
                    artifact::pack_file(&target, &path, plan::PROGRAM, to).map_err(Failure::of_artifact)
                })
                .await;
            }
        }
        let (source, entrypoint) = (source.to_owned(), entrypoint.to_owned());
        blocking(Stage::Build, move || {
            artifact::pack_folder(&source, &entrypoint, to).map_err(Failure::of_artifact)
        })
        .await
    }

    async fn store(&self, tenant: &Tenant, packed: &Packed) -> Result<(), Failure> {
        let ours = |e: StoreError| Failure::ours(Stage::Upload, e);
        let key = artifact_key(&packed.digest);
        let file = tokio::fs::File::open(&packed.file)
            .await
            .map_err(|e| Failure::ours(Stage::Upload, e))?;
        let chunks = futures::stream::try_unfold(file, |mut file| async move {
            let mut chunk = Vec::with_capacity(256 << 10);
            (&mut file).take(256 << 10).read_to_end(&mut chunk).await?;
            Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), file)))
        });
        let body = chunks.map_err(|e: std::io::Error| StoreError::Failed(e.into())).boxed();
        self.blobs
            .put(tenant, &key, body, artifact::BOUNDS.bytes.max)
            .await
            .map_err(ours)
            .map(drop)
    }

    /// Whether tenant code is kept apart from us.
    pub(crate) fn confines(&self) -> bool {
        self.launcher.mode().confines()
    }

    /// The uids a namespace's processes have, where the mode has any.
    pub(crate) fn uid_base(&self, uid_base: Option<u32>) -> Option<u32> {
        uid_base.filter(|_| self.launcher.mode() == Mode::Root)
    }
}

/// Where an artifact lies in its namespace's blobs.
pub fn artifact_key(digest: &str) -> String {
    format!("artifact/{digest}")
}

/// The server's own words about a release, in its log and its feed.
pub(crate) struct Notes<'b> {
    clock: &'b dyn Clock,
    feed: &'b Feed,
    log: std::sync::Mutex<LogWriter>,
}

impl<'b> Notes<'b> {
    fn open(builder: &'b Builder, job: &'b Job) -> Result<Self, Failure> {
        let now = builder.clock.now();
        let run = new_run(job, RunKind::Release, now);
        let ours = |e| Failure::ours(Stage::Build, e);
        private_dir(&run.logs()).map_err(ours)?;
        let log = LogWriter::open(&run.logs(), 1 << 20).map_err(ours)?;
        Ok(Self {
            clock: &*builder.clock,
            feed: &job.feed,
            log: log.into(),
        })
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        let (text, now) = (text.into(), self.clock.now());
        let mut log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = log
            .append(now, micro_sandbox::Stream::System, &text)
            .and_then(|_| log.flush());
        if let Err(e) = written {
            tracing::warn!(error = %e, "a note is missing in a service's log");
        }
        self.feed.line(text, now);
    }
}

pub(crate) fn new_run(job: &Job, kind: RunKind, now: OffsetDateTime) -> Run {
    job.home.new_run(kind, InstanceId::new(Ids.random()), now)
}

/// Runs what blocks on the pool for it.
pub(crate) async fn blocking<T: Send + 'static>(
    stage: Stage,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::ours(stage, e))?
}

async fn remove(folder: std::path::PathBuf) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Unreadable is the same as none: everything is then compiled again.
fn read_contents(file: &Path) -> Contents {
    fs::read(file)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}

fn write_contents(file: &Path, contents: &Contents) -> std::io::Result<()> {
    fs::write(file, serde_json::to_vec(contents)?)
}
