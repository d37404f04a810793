//! `micro cli`: one command after another at a prompt, without the word `micro` before each.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    process,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    prompt,
};

const PROMPT: &str = "micro> ";

/// Run the interactive CLI
///
/// Type commands without `micro` before them; `help` lists them, `exit` or Ctrl-D ends. Ctrl-C ends the command that
/// runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro cli\n  micro> services\n  micro> exit")]
pub struct Args {}

/// Runs it. Each command is a process of its own, so that none leaves anything behind for the next.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    // From here on Ctrl-C is for the command that runs.
    let _interrupts = signal(SignalKind::interrupt()).map_err(|e| Failure::because("listening for Ctrl-C", e))?;
    let micro = std::env::current_exe().map_err(|e| Failure::because("finding this program", e))?;
    let mut input = Input::open().map_err(|e| Failure::because("reading commands", e))?;
    let person = prompt::is_terminal();
    loop {
        if person {
            ctx.out.ask(PROMPT);
        }
        let Some(line) = input.line().map_err(|e| Failure::because("reading commands", e))? else {
            if person {
                ctx.out.talk("");
            }
            return Ok(Exit::Done);
        };
        let words = match words(&line) {
            Ok(words) => words,
            Err(e) => {
                ctx.out.talk(e);
                continue;
            }
        };
        match words.first().map(String::as_str) {
            None => {}
            Some("quit" | "exit") => return Ok(Exit::Done),
            Some(_) => {
                let mut command = process::Command::new(&micro);
                command.args(words.iter().skip(usize::from(words[0] == "micro")));
                ctx.tell_env(&mut command);
                command.status().map_err(|e| Failure::because("running it", e))?;
            }
        }
    }
}

/// Standard input, byte by byte: what follows a line belongs to the command that it starts.
struct Input(File);

impl Input {
    fn open() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?.into()))
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) if line.is_empty() => return Ok(None),
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) => line.push(byte[0]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

/// A line as a shell would split it: at spaces, but for those in quotes or behind a backslash.
fn words(line: &str) -> std::result::Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("A quote is not closed.");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let split = |line| words(line).expect("closed");
        assert_eq!(split("  services \t-o json "), ["services", "-o", "json"]);
        assert_eq!(
            split(r#"call greeter Greeter.Hello '{"name": "Ada"}'"#),
            ["call", "greeter", "Greeter.Hello", r#"{"name": "Ada"}"#]
        );
        assert_eq!(
            split(r#"store write a\ b "c \"d\"" '' x"y z""#),
            ["store", "write", "a b", "c \"d\"", "", "xy z"]
        );
        assert!(split("   ").is_empty());
        assert!(words("store write 'a").is_err());
    }
}
