//! What the tests share: a workplace on disk, launchers, and waiting for a condition.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use micro_domain::InstanceId;
use micro_sandbox::{Bind, Entry, Kind, Launcher, Limits, LogReader, Mode, Record, Spec, hand_over, probe};
use tempfile::TempDir;

/// Where this binary is found inside.
const INSIDE: &str = "/probe";

/// A directory of one test's own.
pub struct Workplace {
    dir: TempDir,
    uid_base: u32,
}

impl Workplace {
    pub fn new() -> Self {
        let random = u32::from_ne_bytes(micro_clock::Ids.bytes());
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            uid_base: 0x6000_0000 + (random & 0xff_fffe),
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn log_dir(&self) -> PathBuf {
        self.state_dir().join("logs")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory that the program may write to.
    pub fn writable(&self, mode: Mode, name: &str) -> Bind {
        let source = self.path(name);
        std::fs::create_dir_all(&source).expect("a directory");
        if mode == Mode::Root {
            hand_over(&source, self.uid_base + 1).expect("handed over");
        }
        Bind {
            source,
            target: Path::new("/").join(name),
            writable: true,
        }
    }

    /// A shell script as the program.
    pub fn script(&self, text: &str) -> Spec {
        self.command(["/bin/sh", "-c", text])
    }

    /// This binary as the program, in one of its `roles`.
    pub fn role<const N: usize>(&self, mode: Mode, role: [&str; N]) -> Spec {
        let exe = std::env::current_exe()
            .and_then(|exe| exe.canonicalize())
            .expect("this binary");
        let program = if mode.confines() {
            INSIDE
        } else {
            exe.to_str().expect("a plain path")
        };
        let mut spec = self.command([program]);
        spec.command.push("role".to_owned());
        spec.command.extend(role.map(str::to_owned));
        spec.binds.push(Bind {
            source: exe.clone(),
            target: INSIDE.into(),
            writable: false,
        });
        spec
    }

    pub fn command<const N: usize>(&self, command: [&str; N]) -> Spec {
        Spec {
            id: InstanceId::new(micro_clock::Ids.random()),
            state_dir: self.state_dir(),
            kind: Kind::Service,
            command: command.map(str::to_owned).into(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            cwd: "/".into(),
            binds: Vec::new(),
            limits: Limits::default(),
            doors: Vec::new(),
            uid_base: Some(self.uid_base),
        }
    }
}

/// The confined mode that works here. There must be one: a machine that confines nothing proves nothing.
pub fn confined() -> Launcher {
    static MODE: OnceLock<Mode> = OnceLock::new();
    Launcher::new(*MODE.get_or_init(|| probe().unwrap_or_else(|e| panic!("{e} ({})", e.failure))))
}

/// Without and with confinement.
pub fn launchers() -> [Launcher; 2] {
    [Launcher::new(Mode::Plain), confined()]
}

/// Every line of a log that is there now.
pub fn lines(mut reader: LogReader) -> Vec<Record> {
    let entries = reader.read(usize::MAX).expect("a readable log");
    entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Line(record) => record,
            Entry::Gap { missed } => panic!("{missed} lines are missing"),
        })
        .collect()
}

/// The text of every line of one instance.
pub fn texts(place: &Workplace) -> Vec<String> {
    lines(LogReader::from(place.log_dir(), 0))
        .into_iter()
        .map(|record| record.text)
        .collect()
}

/// Waits for `condition`, and says what was waited for if it does not come.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, async || condition().then_some(())).await;
}

/// What `look` finds. It is looked for again and again: what another process does is told to nobody here.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    const AGAIN: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(AGAIN).await;
    }
}
