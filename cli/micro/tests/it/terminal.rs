//! A person's terminal: a home of its own, and `micro` run in it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::fake::Fake;

/// Where nothing ever listens. A port that was free a moment ago may be another test's by now.
pub const NOWHERE: &str = "127.0.0.1:1";

/// A home directory.
pub struct Terminal(TempDir);

/// What a command did: stdout, stderr, exit code.
pub type Ended = (String, String, i32);

/// A command that runs and is talked to.
pub struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Terminal {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a home"))
    }

    /// With the environment `home` set to a server.
    pub fn at(fake: &Fake) -> Self {
        let terminal = Self::new();
        terminal.silent(&["env", "add", "home", &fake.address()]);
        terminal.silent(&["env", "set", "home"]);
        terminal
    }

    /// And logged in there.
    pub fn logged_in(fake: &Fake) -> Self {
        let terminal = Self::at(fake);
        let done = terminal.run(&["login", "--email", "ada@example.com", "--password", "secret"]);
        assert_eq!(done, ("Successfully logged in.\n".into(), String::new(), 0));
        terminal
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("the file")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_micro"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .current_dir(self.0.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command with nothing to read.
    pub fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    /// Runs a command that reads these lines.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self.command(args).spawn().expect("started");
        // A command may end before it has read everything.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        ended(child.wait_with_output().expect("ended"))
    }

    /// Runs a command that says nothing and succeeds.
    pub fn silent(&self, args: &[&str]) {
        assert_eq!(self.run(args), (String::new(), String::new(), 0), "{args:?}");
    }

    /// Starts a command, with the first lines it will read.
    pub fn start(&self, args: &[&str], input: &str) -> Talk {
        let mut child = self.command(args).spawn().expect("started");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut talk = Talk {
            child,
            stdin,
            stdout,
            said: String::new(),
        };
        talk.say(input);
        talk
    }
}

impl Talk {
    pub fn say(&mut self, text: &str) {
        self.stdin
            .as_mut()
            .expect("open")
            .write_all(text.as_bytes())
            .expect("it listens");
    }

    /// Reads stdout up to a line that has these words.
    pub fn until(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).expect("text");
            self.said.push_str(&line);
            if line.contains(words) {
                return;
            }
            assert!(read > 0, "it ended before saying {words:?}; it said {:?}", self.said);
        }
    }

    /// Everything it said, once it has ended. Its input stays open until then.
    pub fn end(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.said).expect("text");
        let (_, stderr, exit) = ended(self.child.wait_with_output().expect("ended"));
        drop(self.stdin);
        (self.said, stderr, exit)
    }
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap_or(-1),
    )
}

/// Runs each command and compares what it prints on stdout, and on stderr, and its exit code.
pub fn assert_all(ada: &Terminal, table: &[(&[&str], &str, &str, i32)]) {
    for (args, out, err, exit) in table {
        let done = ada.run(args);
        assert_eq!(
            (done.0.as_str(), done.1.as_str(), done.2),
            (*out, *err, *exit),
            "micro {args:?}"
        );
    }
}
