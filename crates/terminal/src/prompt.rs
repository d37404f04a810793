//! Questions to the person, or to the lines that a script pipes in. A script that runs out of lines is told
//! which flag to pass: nothing ever waits for an answer that cannot come.

use std::io::{self, BufRead, ErrorKind, IsTerminal};

use tokio::sync::mpsc;

use crate::{
    exit::{Exit, Failure, Result},
    out::Out,
    quiet::Quiet,
};

/// Whether a person sits there.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a line. `instead` is what a script can pass: `--username`.
pub fn line(out: &Out, question: &str, instead: &str) -> Result<String> {
    out.ask(question);
    read_line(out, instead)
}

/// Asks for a line that is not shown.
pub fn secret(out: &Out, question: &str, instead: &str) -> Result<String> {
    if !is_terminal() {
        out.ask(question);
        let answer = read_line(out, instead)?;
        out.talk("");
        return Ok(answer);
    }
    let read = || {
        let _quiet = Quiet::on()?;
        out.ask(question);
        let answer = rpassword::read_password();
        out.talk("");
        answer
    };
    read().map_err(|e: io::Error| match e.kind() {
        ErrorKind::Interrupted => Failure::new(Exit::Interrupted, ""),
        ErrorKind::UnexpectedEof => no_more_input(instead),
        _ => Failure::because("reading the password", e),
    })
}

/// Asks for a new password until it was typed the same twice.
pub fn new_secret(out: &Out, instead: &str) -> Result<String> {
    loop {
        let first = secret(out, "Enter a new password: ", instead)?;
        let again = secret(out, "Verify your password: ", instead)?;
        if first == again && !first.is_empty() {
            return Ok(first);
        }
        out.talk(match first.is_empty() {
            true => "The password is empty. Please try again.",
            false => "Passwords do not match. Please try again.",
        });
    }
}

/// The lines still to come, read beside other work. At the end of input it ends.
pub fn lines() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receive
}

fn read_line(out: &Out, instead: &str) -> Result<String> {
    let mut line = String::new();
    let read = io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| Failure::because("reading the answer", e))?;
    if read == 0 {
        out.talk("");
        return Err(no_more_input(instead));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn no_more_input(instead: &str) -> Failure {
    Failure::new(Exit::Failed, format!("no more input: pass {instead}"))
}
