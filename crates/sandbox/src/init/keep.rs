//! The keeper at work: one loop over signals, output and the server's requests, until the program ends.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use micro_clock::{Clock, SystemClock};
use time::OffsetDateTime;

use super::{
    Outside,
    doors::{self, OpenDoor},
    output::{Flow, Meter, Output},
    service::Service,
};
use crate::{
    capabilities::Capabilities,
    control::{self, Answer, Request},
    exit::{Exit, ExitReason},
    logs::Stream,
    sys,
};

/// How long the program has when the machine, not the server, asks for an end.
const MACHINE_GRACE: Duration = Duration::from_secs(5);
/// Connections of the server's that may be open at once.
const MOST_CLIENTS: usize = 256;
/// What is still read from the pipes after the program's end, in steps of 64 KiB.
const LAST_READS: usize = 32;

/// An idle keeper looks this often whether its directory still is there.
const LOOK_MS: i32 = 30_000;

/// Tells whether the kernel ended something of the instance for want of memory.
pub(super) type OutOfMemory = Box<dyn Fn() -> bool>;

pub(super) struct Keep {
    launcher: Option<UnixStream>,
    control: OwnedFd,
    exit: File,
    log: Meter,
    signals: OwnedFd,
    program: libc::pid_t,
    outputs: Vec<Output>,
    doors: Vec<OpenDoor>,
    clients: Vec<OwnedFd>,
    capabilities: Capabilities,
    out_of_memory: Option<OutOfMemory>,
    /// When everything is killed, once a stop was asked for.
    deadline: Option<Instant>,
    /// `waitpid`'s word on the program.
    ended: Option<i32>,
}

impl Keep {
    pub(super) fn new(
        outside: Outside,
        signals: OwnedFd,
        service: Service,
        doors: Vec<OpenDoor>,
        capabilities: Capabilities,
        out_of_memory: Option<OutOfMemory>,
    ) -> Self {
        let Outside {
            launcher,
            control,
            exit,
            log,
            log_bytes,
        } = outside;
        Self {
            launcher: Some(launcher),
            control,
            exit,
            log: Meter::new(log, log_bytes, Instant::now()),
            signals,
            program: service.pid,
            outputs: vec![
                Output::new(service.stdout, Stream::Stdout),
                Output::new(service.stderr, Stream::Stderr),
            ],
            doors,
            clients: Vec::new(),
            capabilities,
            out_of_memory,
            deadline: None,
            ended: None,
        }
    }

    /// Until the program ends. Returning ends the process, and in a process namespace everything else in it.
    pub(super) fn run(mut self) {
        while self.ended.is_none() || self.launcher.is_some() {
            // Nothing but running out of kernel memory makes this fail; then it is tried again.
            let _ = self.turn();
        }
        self.finish();
    }

    fn turn(&mut self) -> io::Result<()> {
        // Poll passes over -1.
        let launcher = self.launcher.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let fixed = [self.signals.as_raw_fd(), self.control.as_raw_fd(), launcher];
        let outputs = self.outputs.iter().map(Output::raw);
        let clients = self.clients.iter().map(AsRawFd::as_raw_fd);
        let mut fds: Vec<_> = fixed
            .into_iter()
            .chain(outputs)
            .chain(clients)
            .map(sys::readable)
            .collect();
        sys::poll(&mut fds, self.timeout())?;
        let ready = |at: usize| fds[at].revents != 0;

        let now = now();
        self.log.tick(Instant::now());
        let outputs = self.outputs.len();
        let mut at = 0;
        self.outputs.retain_mut(|output| {
            at += 1;
            // An error on a pipe is its end too.
            !ready(fixed.len() + at - 1) || output.pump(now, &mut self.log).is_ok_and(|flow| flow != Flow::Ended)
        });
        let asking: Vec<bool> = (0..self.clients.len())
            .map(|at| ready(fixed.len() + outputs + at))
            .collect();
        self.answer(&asking, now);
        if ready(1) {
            self.admit();
        }
        if ready(0) {
            self.heed_signals();
        }
        if ready(2) {
            self.launcher = None;
        }
        self.log.flush(now);
        if self.log.is_removed() {
            // No server can find this keeper any more.
            self.stop(Duration::ZERO);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.deadline = None;
            self.kill_everything();
        }
        Ok(())
    }

    fn timeout(&self) -> i32 {
        match self.deadline {
            Some(deadline) => {
                deadline
                    .saturating_duration_since(Instant::now())
                    .as_millis()
                    .min(LOOK_MS as u128) as i32
                    + 1
            }
            None => LOOK_MS,
        }
    }

    fn admit(&mut self) {
        while let Ok(Some(client)) = control::accept(self.control.as_fd()) {
            if self.clients.len() >= MOST_CLIENTS {
                self.clients.remove(0);
            }
            self.clients.push(client);
        }
    }

    fn answer(&mut self, asking: &[bool], now: OffsetDateTime) {
        let clients = std::mem::take(&mut self.clients);
        for (client, asks) in clients.into_iter().zip(asking) {
            if !asks || self.serve(&client, now).is_ok() {
                self.clients.push(client);
            }
        }
    }

    fn serve(&mut self, client: &OwnedFd, now: OffsetDateTime) -> io::Result<()> {
        let (request, _) = control::receive_message(client.as_fd())?;
        let mut made = None;
        let (answer, fds) = match request {
            Request::Hello => (Answer::Hello(self.capabilities), Vec::new()),
            Request::Doors => {
                let names = self.doors.iter().map(|door| door.name.clone()).collect();
                (
                    Answer::Doors(names),
                    self.doors.iter().map(|door| door.listener.as_fd()).collect(),
                )
            }
            Request::Connect { port } => match doors::dial(port) {
                Ok((socket, pending)) => {
                    let socket: &OwnedFd = made.insert(socket);
                    (Answer::Connected { pending }, vec![socket.as_fd()])
                }
                Err(e) => (
                    Answer::Refused {
                        errno: e.raw_os_error().unwrap_or(libc::EIO),
                    },
                    Vec::new(),
                ),
            },
            Request::Stop { grace_ms } => {
                self.stop(Duration::from_millis(grace_ms));
                (Answer::Done, Vec::new())
            }
            Request::Note { text } => {
                self.log.system(now, &text);
                (Answer::Done, Vec::new())
            }
        };
        control::send(client.as_fd(), &control::encode(&answer)?, &fds)
    }

    /// TERM at once; KILL when the time is up. A second call may only shorten it.
    fn stop(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        if self.deadline.is_none() {
            // SAFETY: plain numbers; the program leads a group of its own, so a shell's children hear it too.
            unsafe { libc::kill(-self.program, libc::SIGTERM) };
        }
        self.deadline = Some(self.deadline.map_or(deadline, |before| before.min(deadline)));
    }

    fn heed_signals(&mut self) {
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        while let Ok(Some(length)) = sys::read(self.signals.as_fd(), &mut info) {
            let number = info.first_chunk::<4>().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
            if length == info.len() && number == libc::SIGTERM as u32 {
                self.stop(MACHINE_GRACE);
            }
        }
        self.reap(libc::WNOHANG);
    }

    /// Takes dead children away, orphans included. False when there is no child left.
    fn reap(&mut self, flags: i32) -> bool {
        loop {
            let mut status = 0;
            // SAFETY: room for one status.
            match unsafe { libc::waitpid(-1, &mut status, flags) } {
                0 => return true,
                -1 => return false,
                pid if pid == self.program => self.ended = Some(status),
                _ => {}
            }
            if flags == 0 {
                return true;
            }
        }
    }

    /// Everything below this process. In a process namespace that is everything there is; without one, orphans have
    /// come to us as their reaper, and what they leave behind comes next.
    fn kill_everything(&mut self) {
        if self.capabilities.mode.confines() {
            // SAFETY: plain numbers; -1 from the namespace's first process is all others in it.
            unsafe { libc::kill(-1, libc::SIGKILL) };
            return;
        }
        if self.ended.is_none() {
            // SAFETY: plain numbers; an unreaped child keeps its number.
            unsafe { libc::kill(-self.program, libc::SIGKILL) };
        }
        loop {
            let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
            let mut any = false;
            for child in children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<libc::pid_t>().ok())
            {
                any = true;
                // SAFETY: plain numbers; our unreaped children keep their numbers, and their groups are theirs.
                unsafe {
                    libc::kill(-child, libc::SIGKILL);
                    libc::kill(child, libc::SIGKILL);
                }
            }
            if !any || !self.reap(0) {
                return;
            }
        }
    }

    /// What is left in the pipes, why it ended, and the end of whatever it left running.
    fn finish(&mut self) {
        let status = self.ended.unwrap_or_default();
        let now = now();
        for output in &mut self.outputs {
            for _ in 0..LAST_READS {
                if !output.pump(now, &mut self.log).is_ok_and(|flow| flow == Flow::More) {
                    break;
                }
            }
            output.finish(now, &mut self.log);
        }
        let mut reason = ExitReason::of_status(status);
        if reason == ExitReason::Signal(libc::SIGKILL) && self.out_of_memory.as_ref().is_some_and(|told| told()) {
            reason = ExitReason::OutOfMemory;
        }
        self.kill_everything();
        self.log.system(now, &reason.to_string());
        self.log.flush(now);
        let exit = Exit { reason, at: Some(now) };
        // On a full disk the server finds no reason, and says so.
        let _ = self.exit.write_all(&serde_json::to_vec(&exit).unwrap_or_default());
    }
}

fn now() -> OffsetDateTime {
    SystemClock.now()
}
