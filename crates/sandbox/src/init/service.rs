//! Starts the program itself, below the keeper.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
};

use crate::{
    failure::{Failure, Step},
    launch::Order,
    spec::Spec,
    sys::{self, check},
};

/// A program that runs, and the keeper's ends of its output.
pub(super) struct Service {
    pub(super) pid: libc::pid_t,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Forks, confines with `confine` and executes. Returns when the program is running, or with the step that failed.
pub(super) fn start(order: &Order, confine: impl FnOnce(&Spec) -> Result<(), Failure>) -> Result<Service, Failure> {
    let (stdout, to_stdout) = sys::pipe(0).step("make pipes")?;
    let (stderr, to_stderr) = sys::pipe(0).step("make pipes")?;
    let (outcome, to_outcome) = sys::pipe(0).step("make pipes")?;
    // SAFETY: this process has one thread, so the child may do anything.
    let pid = check(unsafe { libc::fork() }).step("fork")?;
    if pid == 0 {
        let failure = become_program(order, [&to_stdout, &to_stderr], to_outcome.as_fd(), confine).err();
        // SAFETY: ends the child without running the keeper's destructors.
        unsafe { libc::_exit(tell(failure, to_outcome)) }
    }
    drop((to_stdout, to_stderr, to_outcome));
    for pipe in [&stdout, &stderr] {
        // SAFETY: plain numbers.
        check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }).step("make pipes")?;
    }
    let mut failure = Vec::new();
    File::from(outcome)
        .read_to_end(&mut failure)
        .step("hear from the program")?;
    match serde_json::from_slice(&failure) {
        Ok(failure) => {
            // Gone for good, so that its control groups can go too.
            // SAFETY: no status is asked for.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(failure)
        }
        Err(_) => Ok(Service { pid, stdout, stderr }),
    }
}

fn tell(failure: Option<Failure>, to: OwnedFd) -> i32 {
    let Some(failure) = failure else { return 0 };
    let _ = File::from(to).write_all(&serde_json::to_vec(&failure).unwrap_or_default());
    127
}

/// Ends in `execve`; returns only from a rehearsal, or if a step failed.
fn become_program(
    order: &Order,
    outputs: [&OwnedFd; 2],
    outcome: BorrowedFd<'_>,
    confine: impl FnOnce(&Spec) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let spec = &order.spec;
    // SAFETY: plain numbers.
    unsafe { libc::setsid() };
    if !order.mode.confines() {
        // Without a process namespace nothing else ends it when its keeper is killed.
        sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64).step("tie it to its keeper")?;
    }
    wire(outputs, outcome).step("connect its output")?;
    let program = Program::of(spec).step("read the command")?;
    confine(spec)?;
    // After confinement, so that a place only the keeper may see is none.
    let cwd = sys::c_path(&spec.cwd).step("enter its directory")?;
    // SAFETY: `cwd` ends in NUL.
    check(unsafe { libc::chdir(cwd.as_ptr()) }).step("enter its directory")?;
    sys::default_signals();
    if order.rehearsal {
        return Ok(());
    }
    Err(program.execute()).step(format!("run {:?}", spec.command.first().map_or("", String::as_str)))
}

fn wire(outputs: [&OwnedFd; 2], outcome: BorrowedFd<'_>) -> io::Result<()> {
    let null = sys::open_at(outcome, c"/dev/null", libc::O_RDONLY, 0)?;
    for (from, to) in [
        (null.as_raw_fd(), 0),
        (outputs[0].as_raw_fd(), 1),
        (outputs[1].as_raw_fd(), 2),
    ] {
        // SAFETY: plain numbers; 0, 1 and 2 belong to nothing else in this child.
        check(unsafe { libc::dup2(from, to) })?;
    }
    // Everything the keeper opens is close-on-exec already; this is the belt to those braces.
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Everything `execve` needs, made before confinement.
struct Program {
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn of(spec: &Spec) -> io::Result<Self> {
        let name = spec.command.first().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
        let candidates = if name.contains('/') {
            vec![sys::c_string(name.as_bytes())?]
        } else {
            let path = spec
                .env
                .iter()
                .find(|(key, _)| key == "PATH")
                .map_or("/usr/bin:/bin", |(_, value)| value);
            path.split(':')
                .map(|dir| sys::c_string(format!("{dir}/{name}").as_bytes()))
                .collect::<io::Result<_>>()?
        };
        let pairs = spec
            .env
            .iter()
            .map(|(key, value)| sys::c_string(format!("{key}={value}").as_bytes()));
        Ok(Self {
            candidates,
            arguments: spec
                .command
                .iter()
                .map(|a| sys::c_string(a.as_bytes()))
                .collect::<io::Result<_>>()?,
            environment: pairs.collect::<io::Result<_>>()?,
        })
    }

    fn execute(&self) -> io::Error {
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let mut why = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            // SAFETY: the strings and the NULL-ended arrays live until the program replaces this one.
            unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            let error = io::Error::last_os_error();
            // Further down the path there may be one; what was found but cannot be run is the better answer.
            if error.raw_os_error() != Some(libc::ENOENT) {
                why = error;
            }
        }
        why
    }
}
