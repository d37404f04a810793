//! What the tests share: a workplace on disk, and waiting for a condition.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use micro_domain::InstanceId;
use micro_sandbox::{Entry, Kind, Launcher, Limits, LogReader, Mode, Record, Spec};
use tempfile::TempDir;

/// A directory of one test's own.
pub struct Workplace {
    dir: TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell script as the program.
    pub fn script(&self, text: &str) -> Spec {
        self.command(["/bin/sh", "-c", text])
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
            uid_base: None,
        }
    }
}

pub fn plain() -> Launcher {
    Launcher::new(Mode::Plain)
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
    lines(LogReader::from(place.state_dir().join("logs"), 0))
        .into_iter()
        .map(|record| record.text)
        .collect()
}

/// Waits for `condition`, and says what was waited for if it does not come.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
