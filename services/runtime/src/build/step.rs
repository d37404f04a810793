//! One command of a build in a sandbox of its own: started, watched line by line, bounded in time, ended whatever
//! happens.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use micro_clock::Ids;
use micro_domain::InstanceId;
use micro_sandbox::{
    Bind, Door, Entry, Exit, ExitReason, Keeper, Kind, LaunchError, Limits, LogReader, Record, Spec, Stream,
};
use tokio::{runtime::Handle, time::timeout};

use super::{Builder, Job, disk, new_run};
use crate::{
    egress::{self, SystemResolver},
    failure::{Failure, Stage},
    feed::Feed,
    layout::{Run, RunKind},
    state::{FIRST_UID, UIDS},
};

/// The egress proxy, as a build finds it.
const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3128);
/// The most bytes a build may move over the network.
const TRAFFIC: u64 = 2 << 30;
/// Memory of a build: compilers need more than services.
const MEMORY: u64 = 3 << 30;
/// The uids of the platform's own builds.
const PLATFORM_UID: u32 = FIRST_UID - UIDS;
const GRACE: Duration = Duration::from_millis(200);

/// One command of a build.
pub(crate) struct Sandboxed<'b> {
    builder: &'b Builder,
    run: Run,
    uid_base: Option<u32>,
    feed: Option<&'b Feed>,
    command: Vec<String>,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    binds: Vec<Bind>,
}

impl<'b> Sandboxed<'b> {
    /// For a tenant's release, with the environment that every build has; its output goes to the release's feed.
    pub(crate) fn build(builder: &'b Builder, job: &'b Job, command: Vec<String>) -> Self {
        let run = new_run(job, RunKind::Build, builder.clock.now());
        Self::in_run(builder, run, builder.uid_base(job.uid_base), Some(&*job.feed), command)
    }

    /// For the platform itself.
    pub(crate) fn alone(builder: &'b Builder, dir: PathBuf, command: Vec<String>) -> Self {
        let run = Run {
            kind: RunKind::Build,
            id: InstanceId::new(Ids.random()),
            dir,
        };
        Self::in_run(builder, run, builder.uid_base(Some(PLATFORM_UID)), None, command)
    }

    fn in_run(
        builder: &'b Builder,
        run: Run,
        uid_base: Option<u32>,
        feed: Option<&'b Feed>,
        command: Vec<String>,
    ) -> Self {
        let env = builder.toolchains.environment(builder.confines());
        let mut step = Self {
            builder,
            run,
            uid_base,
            feed,
            command,
            env,
            cwd: "/".into(),
            binds: Vec::new(),
        };
        if builder.confines() && !builder.egress.is_empty() {
            for name in [
                "http_proxy",
                "https_proxy",
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "ALL_PROXY",
                "all_proxy",
            ] {
                step.set(name, format!("http://{PROXY}"));
            }
        }
        step
    }

    /// Runs this instead.
    pub(crate) fn command(&mut self, command: Vec<String>) {
        self.command = command;
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
    }

    /// Shows a folder of ours; where it is seen depends on whether there is a sandbox around it.
    pub(crate) fn see(&mut self, source: &Path, target: &str, writable: bool) -> PathBuf {
        if !self.builder.confines() {
            return source.to_owned();
        }
        self.binds.push(Bind {
            source: source.to_owned(),
            target: target.into(),
            writable,
        });
        PathBuf::from(target)
    }

    /// Starts there.
    pub(crate) fn start_at(&mut self, cwd: PathBuf) {
        self.cwd = cwd;
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) async fn run(self, stage: Stage) -> Result<(), Failure> {
        let mut words = Words::default();
        let limit = self.builder.limits.build_seconds;
        let exit = match timeout(Duration::from_secs(limit.max), self.run_to_end(stage, &mut words)).await {
            Ok(exit) => exit?,
            Err(_) => {
                return Err(Failure::said(
                    stage,
                    format!("limit {} reached: {}", limit.name, limit.max),
                ));
            }
        };
        if exit.success() {
            return Ok(());
        }
        Err(Failure::said(
            stage,
            format!("{} {}", exit.reason, words.of_the_compiler()).trim_end(),
        ))
    }

    async fn run_to_end(self, stage: Stage, words: &mut Words) -> Result<Exit, Failure> {
        let (builder, run, uid_base) = (self.builder, self.run, self.uid_base);
        hand_over(&self.binds, uid_base, stage).await?;
        let spec = Spec {
            id: run.id,
            state_dir: run.dir.clone(),
            kind: Kind::Build,
            command: self.command,
            env: self.env,
            cwd: self.cwd,
            binds: self.binds,
            limits: Limits {
                memory_bytes: MEMORY,
                tasks: 512,
                file_bytes: 1 << 30,
                open_files: 4096,
                tmp_bytes: 256 << 20,
                log_bytes: 4 << 20,
            },
            doors: vec![Door {
                name: "egress".into(),
                inside: PROXY,
            }],
            uid_base,
        };
        // In a task of its own: if this future is dropped meanwhile, what was started is ended all the same.
        let launcher = builder.launcher.clone();
        let launched = tokio::spawn(async move { launcher.launch(spec).await.map(Ended) }).await;
        let keeper = match launched.map_err(|e| Failure::ours(stage, e))? {
            Ok(keeper) => keeper,
            Err(LaunchError::Step(e)) => return Err(Failure::said(stage, e)),
            Err(e) => return ended_already(&run, &e).ok_or_else(|| Failure::ours(stage, e)),
        };
        let mut hear = |record: Record| {
            // That it went well is said by what comes next.
            if record.stream == Stream::System && record.text == ExitReason::Code(0).to_string() {
                return;
            }
            if let Some(feed) = self.feed {
                feed.line(record.text.clone(), record.at);
            }
            words.hear(record);
        };
        let way_out = way_out(builder, &keeper.0, stage).await?;
        let mut log = LogReader::from(run.logs(), 1);
        let exit = tokio::select! {
            exit = keeper.0.wait() => exit.map_err(|e| Failure::ours(stage, e))?,
            e = follow(&mut log, &mut hear) => return Err(Failure::ours(stage, e)),
            e = way_out => return Err(Failure::ours(stage, e)),
            words = disk::taken(&run.dir) => return Err(Failure::said(stage, words)),
        };
        // Its last lines were written before it ended.
        read_rest(&mut log, &mut hear).map_err(|e| Failure::ours(stage, e))?;
        Ok(exit)
    }
}

/// What a build may write must be its own.
async fn hand_over(binds: &[Bind], uid_base: Option<u32>, stage: Stage) -> Result<(), Failure> {
    let Some(uid) = uid_base.map(|base| base + 1) else {
        return Ok(());
    };
    let folders: Vec<PathBuf> = binds.iter().filter(|b| b.writable).map(|b| b.source.clone()).collect();
    super::blocking(stage, move || {
        folders
            .iter()
            .try_for_each(|f| micro_sandbox::hand_over(f, uid))
            .map_err(|e| Failure::ours(stage, e))
    })
    .await
}

/// A program may be done before its keeper was found.
fn ended_already(run: &Run, e: &LaunchError) -> Option<Exit> {
    matches!(e, LaunchError::Keeper(_))
        .then(|| Exit::recorded(&run.dir))
        .flatten()
}

async fn follow(log: &mut LogReader, hear: &mut impl FnMut(Record)) -> std::io::Error {
    loop {
        match log.follow(256).await {
            Ok(entries) => entries.into_iter().for_each(|e| hear_entry(e, hear)),
            Err(e) => return e,
        }
    }
}

fn read_rest(log: &mut LogReader, hear: &mut impl FnMut(Record)) -> std::io::Result<()> {
    loop {
        let entries = log.read(256)?;
        if entries.is_empty() {
            return Ok(());
        }
        entries.into_iter().for_each(|e| hear_entry(e, hear));
    }
}

fn hear_entry(entry: Entry, hear: &mut impl FnMut(Record)) {
    if let Entry::Line(record) = entry {
        hear(record);
    }
}

/// Serves the build's egress door; never ends but with an error.
async fn way_out(
    builder: &Builder,
    keeper: &Keeper,
    stage: Stage,
) -> Result<impl Future<Output = std::io::Error> + use<>, Failure> {
    let doors = if builder.confines() {
        keeper.doors().await
    } else {
        Ok(Vec::new())
    };
    // A program that is done already needs no door.
    let listener = doors.ok().into_iter().flatten().map(|(_, listener)| listener).next();
    let listener = listener
        .map(|listener| {
            listener
                .set_nonblocking(true)
                .and_then(|()| tokio::net::TcpListener::from_std(listener))
        })
        .transpose()
        .map_err(|e| Failure::ours(stage, e))?;
    let (notes, handle) = (keeper.clone(), Handle::current());
    let door = egress::Door {
        egress: builder.egress.clone(),
        resolver: Arc::new(SystemResolver),
        bytes: TRAFFIC,
        report: Arc::new(move |refused| {
            let (keeper, words) = (notes.clone(), format!("egress: {refused}"));
            // The keeper may be ending; then nobody is left to tell.
            handle.spawn(async move { keeper.note(words).await });
        }),
    };
    Ok(async move {
        match listener {
            Some(listener) => match egress::serve(listener, door).await {
                Ok(()) => std::future::pending().await,
                Err(e) => e,
            },
            None => std::future::pending().await,
        }
    })
}

/// A keeper that is ended when this is dropped.
struct Ended(Keeper);

impl Drop for Ended {
    fn drop(&mut self) {
        if self.0.is_alive() {
            let keeper = self.0.clone();
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { keeper.stop(GRACE).await });
            }
        }
    }
}

/// The last lines of a command.
#[derive(Default)]
pub(crate) struct Words {
    last: VecDeque<String>,
    errors: Vec<String>,
}

impl Words {
    fn hear(&mut self, record: Record) {
        if record.stream == Stream::System {
            return;
        }
        let line = record.text.trim_end();
        let place = line.trim_start().starts_with("--> ");
        if line.starts_with("error") && self.errors.len() < 6 && !line.starts_with("error: could not compile") {
            self.errors.push(line.to_owned());
        } else if place && let Some(error) = self.errors.last_mut().filter(|e| !e.contains(" --> ")) {
            error.push(' ');
            error.push_str(line.trim_start());
        }
        if !line.is_empty() {
            self.last.push_back(line.to_owned());
            if self.last.len() > 3 {
                self.last.pop_front();
            }
        }
    }

    /// Its errors if it marks any, its last lines otherwise.
    pub(crate) fn of_the_compiler(&self) -> String {
        let lines: Vec<&str> = if self.errors.is_empty() {
            self.last.iter().map(String::as_str).collect()
        } else {
            self.errors.iter().take(3).map(String::as_str).collect()
        };
        let text: String = lines.join("; ").chars().take(2_000).collect();
        if text.is_empty() { text } else { format!("({text})") }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn heard(lines: &[&str]) -> String {
        let mut words = Words::default();
        for (n, line) in lines.iter().enumerate() {
            let at = OffsetDateTime::UNIX_EPOCH;
            words.hear(Record {
                sequence: n as u64 + 1,
                at,
                stream: Stream::Stderr,
                text: (*line).into(),
            });
        }
        words.of_the_compiler()
    }

    #[test]
    fn a_compilers_errors_come_first() {
        let text = heard(&[
            "   Compiling greeter v0.1.0",
            "error[E0425]: cannot find value `x` in this scope",
            " --> src/main.rs:3:5",
            "  |",
            "error: could not compile `greeter` (bin \"greeter\") due to 1 previous error",
        ]);
        assert_eq!(
            text,
            "(error[E0425]: cannot find value `x` in this scope --> src/main.rs:3:5)"
        );
    }

    #[test]
    fn others_are_quoted_from_their_end() {
        assert_eq!(
            heard(&["a", "", "b", "c", "make: *** [all] Error 1"]),
            "(b; c; make: *** [all] Error 1)"
        );
        assert_eq!(heard(&[]), "");
    }
}
