//! The server's process. One thread starts it, reads what it says and waits for its end: the kernel ends the
//! server when the *thread* that started it ends, so no thread of a pool may do it.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{Mode, PostgresError, account::Account, binaries::Binaries, directory::Directory};

const READY: &str = "database system is ready to accept connections";

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    pid: Mutex<Pid>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pid {
    #[default]
    Starting,
    Running(i32),
    Ended,
}

type Ready = oneshot::Sender<Result<(), PostgresError>>;

impl Server {
    pub async fn start(
        directory: &Directory,
        binaries: &Binaries,
        account: &Account,
        socket: &Path,
        mode: Mode,
    ) -> Result<Self, PostgresError> {
        let mut command = binaries.program("postgres");
        command.arg("-D").arg(directory.data());
        for (name, value) in settings(socket, mode) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        account.apply(&mut command);
        end_with_us(&mut command);

        let state = Arc::new(State::default());
        let (ready, is_ready) = oneshot::channel();
        let server = Self { state: state.clone() };
        std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || supervise(command, &state, ready))
            .map_err(PostgresError::file("cannot start a thread for", directory.path()))?;
        let died = || PostgresError::Program {
            program: "postgres",
            words: "its thread ended".into(),
        };
        is_ready.await.unwrap_or_else(|_| Err(died()))?;
        Ok(server)
    }

    /// Ends sessions, flushes, waits; gets rougher where that takes too long.
    pub fn stop(&self) {
        let steps = [
            (libc::SIGINT, Duration::from_secs(4)),
            (libc::SIGQUIT, Duration::from_secs(2)),
            (libc::SIGKILL, Duration::from_secs(60)),
        ];
        for (signal, patience) in steps {
            if self.signal(signal, patience) {
                return;
            }
            tracing::warn!(signal, "PostgreSQL does not stop");
        }
    }

    /// Sends a signal, and waits; whether the server has ended.
    fn signal(&self, signal: i32, patience: Duration) -> bool {
        let pid = self.state.pid.lock().expect("no panic while holding the pid");
        if let Pid::Running(pid) = *pid {
            // SAFETY: the process is not reaped before its state says ended, so the id is still its own.
            unsafe { libc::kill(pid, signal) };
        }
        let running = |pid: &mut Pid| matches!(pid, Pid::Running(_));
        let (pid, _) = self
            .state
            .changed
            .wait_timeout_while(pid, patience, running)
            .expect("no panic while holding the pid");
        !matches!(*pid, Pid::Running(_))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn set(&self, pid: Pid) {
        *self.pid.lock().expect("no panic while holding the pid") = pid;
        self.changed.notify_all();
    }
}

/// In its own session, so that a terminal's Ctrl-C reaches us first; and ended by the kernel when we are.
fn end_with_us(command: &mut Command) {
    let parent = std::process::id();
    let prepare = move || {
        // SAFETY: only calls that are allowed between fork and exec.
        unsafe {
            libc::setsid();
            libc::umask(0o077);
            #[cfg(target_os = "linux")]
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    };
    // SAFETY: `prepare` allocates nothing and takes no lock. It runs after the change of user, which would
    // clear the death signal.
    unsafe { command.pre_exec(prepare) };
}

fn supervise(mut command: Command, state: &State, ready: Ready) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            state.set(Pid::Ended);
            let _ = ready.send(Err(PostgresError::file("cannot run", command.get_program())(error)));
            return;
        }
    };
    state.set(Pid::Running(child.id() as i32));
    let last = relay(&mut child, ready);
    let status = child.wait();
    state.set(Pid::Ended);
    match (last, status) {
        (Ok(_), status) => tracing::debug!(?status, "PostgreSQL ended"),
        (Err((ready, words)), _) => {
            let _ = ready.send(Err(PostgresError::Program {
                program: "postgres",
                words,
            }));
        }
    }
}

/// Passes on what the server says, up to its end. Gives `ready` back with the last words where it never was.
fn relay(child: &mut Child, ready: Ready) -> Result<(), (Ready, String)> {
    let mut ready = Some(ready);
    let mut last: VecDeque<String> = VecDeque::new();
    let said = child.stderr.take().map(BufReader::new);
    for line in said.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        if line.contains(READY)
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(Ok(()));
        }
        // Sessions that end because we stop the server are no news.
        let told_to_stop = line.contains("due to administrator command");
        if (line.contains("FATAL:") || line.contains("PANIC:")) && !told_to_stop {
            tracing::warn!(target: "postgres", "{line}");
        } else {
            tracing::debug!(target: "postgres", "{line}");
        }
        if last.len() == 20 {
            last.pop_front();
        }
        last.push_back(line);
    }
    match ready {
        None => Ok(()),
        Some(ready) => Err((ready, Vec::from(last).join("; "))),
    }
}

/// What differs from the defaults: small, local, silent about the contents of statements.
fn settings(socket: &Path, mode: Mode) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&str, String)> = vec![
        ("listen_addresses", String::new()),
        ("unix_socket_directories", socket.display().to_string()),
        ("unix_socket_permissions", "0700".into()),
        ("shared_buffers", "32MB".into()),
        ("max_connections", "100".into()),
        ("max_wal_size", "256MB".into()),
        ("jit", "off".into()),
        ("timezone", "UTC".into()),
        ("log_timezone", "UTC".into()),
        ("lc_messages", "C".into()),
        ("logging_collector", "off".into()),
        ("log_destination", "stderr".into()),
        // Errors quote values, and values are addresses and secrets: only the server's own words are kept.
        ("log_min_messages", "log".into()),
        ("log_min_error_statement", "panic".into()),
        ("log_error_verbosity", "terse".into()),
        ("password_encryption", "scram-sha-256".into()),
    ];
    if mode == Mode::Test {
        let off = ["fsync", "synchronous_commit", "full_page_writes", "autovacuum"];
        settings.extend(off.map(|name| (name, "off".into())));
        settings.extend([("wal_level", "minimal".into()), ("max_wal_senders", "0".into())]);
        settings.push(("max_connections", "200".into()));
    }
    settings
}

/// A server that outlived its killed parent is on its way down: wait for it, and hurry it where it is slow. A
/// pid file whose id is somebody else's by now is removed, since PostgreSQL would take that process for its own;
/// any other is left, since by it PostgreSQL finds sessions that outlived their server.
pub(crate) async fn clear_predecessor(directory: &Directory) -> Result<(), PostgresError> {
    let file = directory.data().join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(());
    };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else {
        return Ok(());
    };
    let data = directory.data();
    let steps = [(libc::SIGINT, 200), (libc::SIGQUIT, 1_000), (libc::SIGKILL, 1_000)];
    for (signal, rounds) in steps {
        if !runs_on(pid, &data) {
            break;
        }
        // SAFETY: the process was just seen to be a server of this directory, which our lock makes ours.
        unsafe { libc::kill(pid, signal) };
        for _ in 0..rounds {
            if !runs_on(pid, &data) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // SAFETY: signal 0 only asks.
    let taken_by_another = unsafe { libc::kill(pid, 0) } == 0;
    if taken_by_another {
        // The file is what PostgreSQL finds sessions by that outlived their server: wait for their end first.
        while has_sessions(&data) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(PostgresError::file("cannot remove", file)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether any process works in this data directory, as each of a server's does.
fn has_sessions(data: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("cwd")).ok())
        .any(|cwd| cwd == data)
}

/// Whether that process is a server of this data directory.
fn runs_on(pid: i32, data: &Path) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => {
            let mut words = line.split(|byte| *byte == 0);
            words.any(|word| word == data.as_os_str().as_encoded_bytes())
        }
        // Without /proc (macOS) a live process with that id is taken for it.
        // SAFETY: signal 0 only asks.
        Err(_) => !Path::new("/proc/self").exists() && unsafe { libc::kill(pid, 0) } == 0,
    }
}
