//! A person at a keyboard: what a terminal shows, and what it does not.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use crate::{
    fake::{CODE, Fake},
    terminal::Terminal,
};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command with a terminal of its own.
struct Keyboard {
    child: Child,
    keys: File,
    /// Kept open, so that the terminal stays as the command left it.
    screen: OwnedFd,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl Keyboard {
    fn start(home: &Terminal, args: &[&str]) -> Self {
        let (mut master, mut slave) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: two valid pointers to receive descriptors; the rest may be null.
        let made = unsafe { libc::openpty(&mut master, &mut slave, none, none.cast(), none.cast()) };
        assert_eq!(made, 0, "a pseudo terminal");
        // SAFETY: both were just made and have no other owner.
        let (master, screen) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let same = || Stdio::from(screen.try_clone().expect("a copy"));
        let mut command = home.command(args);
        command.stdin(same()).stdout(same()).stderr(same());
        // SAFETY: both calls may be made between fork and exec; descriptor 0 is the terminal.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("started");
        let (send, shown) = mpsc::channel();
        let mut reader = master.try_clone().expect("a copy");
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                if send.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys: master,
            screen,
            shown,
            seen: String::new(),
        }
    }

    /// Waits until the screen shows these words behind what was waited for before.
    fn until(&mut self, words: &str) {
        while !self.seen.contains(words) {
            let more = self.shown.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{words:?} does not appear in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        let end = self.seen.find(words).expect("just seen") + words.len();
        assert!(
            !self.seen.contains("correct horse"),
            "a password is on the screen: {:?}",
            self.seen
        );
        self.seen.drain(..end);
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// The exit code, and whether the terminal echoes again.
    fn end(mut self) -> (i32, bool) {
        let status = self.child.wait().expect("ended");
        // SAFETY: all zeroes is a valid termios, which the call fills in.
        let mut terminal: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: a valid descriptor and a valid pointer.
        assert_eq!(unsafe { libc::tcgetattr(self.screen.as_raw_fd(), &mut terminal) }, 0);
        let wanted = libc::ECHO | libc::ICANON | libc::ISIG;
        (status.code().unwrap_or(-1), terminal.c_lflag & wanted == wanted)
    }
}

#[test]
fn passwords_are_not_shown_and_a_mistyped_code_is_asked_again() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut keys = Keyboard::start(&ada, &["signup"]);
    keys.until("Enter email address: ");
    keys.press("ada@example.com\n");
    keys.until("Enter the OTP sent to your email address: ");
    keys.press("mistyped\n");
    keys.until("the token you provided is invalid");
    keys.until("Enter the OTP sent to your email address: ");
    keys.press(&format!("{CODE}\n"));
    keys.until("Enter a new password: ");
    keys.press("correct horse\n");
    keys.until("Verify your password: ");
    keys.press("correct horses\n");
    keys.until("Passwords do not match. Please try again.");
    keys.until("Enter a new password: ");
    keys.press("weak\n");
    keys.until("Verify your password: ");
    keys.press("weak\n");
    keys.until("Choose a password of at least 8 characters");
    keys.until("Enter a new password: ");
    keys.press("correct horse\n");
    keys.until("Verify your password: ");
    keys.press("correct horse\n");
    keys.until("/subscribe/abc to subscribe ($35/month).");
    keys.until("You can also paste the payment token here: ");
    fake.attempt_is("card_stored", "");
    keys.until("Signup complete! You're now logged in.");
    assert_eq!(keys.end(), (0, true));
}

#[test]
fn an_interrupt_at_the_password_leaves_the_terminal_as_it_was() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut keys = Keyboard::start(&ada, &["login", "--username", "ada@example.com"]);
    keys.until("Enter password: ");
    keys.press("correct\u{3}");
    assert_eq!(keys.end(), (130, true));
}

#[test]
fn the_end_of_input_at_the_password_names_the_flag() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut keys = Keyboard::start(&ada, &["login", "--username", "ada@example.com"]);
    keys.until("Enter password: ");
    keys.press("\u{4}");
    keys.until("no more input: pass --password");
    assert_eq!(keys.end(), (1, true));
}
