//! The only place that prints: data to stdout, talk to stderr.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::exit::{Failure, Result};

/// What form data takes on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[value(alias = "table")]
    Text,
    /// For programs.
    Json,
    /// As the service sent it (call, stream).
    Raw,
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    form: Output,
}

impl Out {
    /// Printing in this form.
    pub fn new(form: Output) -> Self {
        Self { form }
    }

    /// The form asked for.
    pub fn form(&self) -> Output {
        self.form
    }

    /// Whether programs read stdout.
    pub fn json(&self) -> bool {
        self.form == Output::Json
    }

    /// One line of data.
    pub fn line(&self, line: impl Display) {
        emit(&mut io::stdout().lock(), format_args!("{line}\n"));
    }

    /// Data that ends its own lines.
    pub fn raw(&self, text: &str) {
        emit(&mut io::stdout().lock(), format_args!("{text}"));
    }

    /// A value as indented JSON.
    pub fn value(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Failure::because("writing JSON", e))?;
        self.line(text);
        Ok(())
    }

    /// One line of talk.
    pub fn talk(&self, line: impl Display) {
        emit(&mut io::stderr().lock(), format_args!("{line}\n"));
    }

    /// A question, without the end of its line.
    pub fn ask(&self, question: &str) {
        emit(&mut io::stderr().lock(), format_args!("{question}"));
    }

    /// Progress: one line that replaces itself on a terminal, and nothing elsewhere.
    pub fn progress(&self, line: &str) {
        if io::stderr().is_terminal() {
            emit(&mut io::stderr().lock(), format_args!("\r\x1b[2K{line}"));
        }
    }

    /// Takes the progress line away.
    pub fn progress_done(&self) {
        self.progress("");
    }
}

/// Writes, and ends the command quietly where the reader has gone (`micro logs x | head -1`).
fn emit(to: &mut impl Write, text: std::fmt::Arguments<'_>) {
    const READER_GONE: i32 = 128 + 13;
    // In one piece: whoever reads along sees whole lines.
    if to
        .write_all(text.to_string().as_bytes())
        .and_then(|()| to.flush())
        .is_err()
    {
        std::process::exit(READER_GONE);
    }
}
