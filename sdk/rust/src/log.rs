//! Log lines on stderr, in Micro's form, which `micro logs` shows. The last of them answer `Debug.Log`.
//!
//! ```
//! micro_sdk::log::info("saved", &[("note", &"milk"), ("bytes", &42)]);
//! ```
//!
//! What a handler writes names the trace of its request, which is that of the calls that led to it; what it spawns does
//! not.

use std::{
    collections::VecDeque,
    fmt::{Display, Write},
    future::Future,
    sync::{LazyLock, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::task::futures::TaskLocalFuture;

use crate::trace::Trace;

/// How many lines are kept for `Debug.Log`.
const KEPT: usize = 256;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// Odd, but mended.
    Warn,
    /// Somebody should look.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A value of a field.
pub type Field<'f> = (&'f str, &'f dyn Display);

/// Written where `MICRO_LOG_LEVEL` is `debug`.
pub fn debug(message: &str, fields: &[Field<'_>]) {
    line(Level::Debug, message, fields);
}

/// What goes on.
pub fn info(message: &str, fields: &[Field<'_>]) {
    line(Level::Info, message, fields);
}

/// Odd, but mended.
pub fn warn(message: &str, fields: &[Field<'_>]) {
    line(Level::Warn, message, fields);
}

/// Somebody should look.
pub fn error(message: &str, fields: &[Field<'_>]) {
    line(Level::Error, message, fields);
}

tokio::task_local! {
    /// Of the request whose handler runs.
    static TRACE: Trace;
}

/// The work, whose lines name the trace.
pub(crate) fn within<W: Future>(trace: Trace, work: W) -> TaskLocalFuture<Trace, W> {
    TRACE.scope(trace, work)
}

/// The same for a piece of work.
pub(crate) fn naming<T>(trace: &Trace, work: impl FnOnce() -> T) -> T {
    TRACE.sync_scope(trace.clone(), work)
}

/// One line as it is kept.
#[derive(Clone)]
pub(crate) struct Line {
    pub seconds: u64,
    pub level: &'static str,
    /// Empty outside of a request.
    pub trace: String,
    pub text: String,
}

static LINES: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());
static LEAST: LazyLock<Level> = LazyLock::new(|| match std::env::var("MICRO_LOG_LEVEL").as_deref() {
    Ok("trace" | "debug") => Level::Debug,
    Ok("warn") => Level::Warn,
    Ok("error" | "fatal") => Level::Error,
    _ => Level::Info,
});

/// The newest `count` lines that are not older than `since`, oldest first.
pub(crate) fn recent(count: usize, since: u64) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let young = lines.iter().filter(|line| line.seconds >= since);
    let young: Vec<Line> = young.cloned().collect();
    young[young.len().saturating_sub(count)..].to_vec()
}

fn line(level: Level, message: &str, fields: &[Field<'_>]) {
    if level < *LEAST {
        return;
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let trace = TRACE.try_with(|trace| trace.id.clone()).unwrap_or_default();
    let text = match trace.as_str() {
        "" => compose(message, fields),
        trace => compose(message, &[fields, &[("trace", &trace)]].concat()),
    };
    eprintln!("{}  level={} {text}", moment(seconds), level.name());
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT {
        lines.pop_front();
    }
    lines.push_back(Line {
        seconds,
        level: level.name(),
        trace,
        text,
    });
}

/// Fields before the message, as Micro has them; nothing in a value may look like another line.
fn compose(message: &str, fields: &[Field<'_>]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        let value = value.to_string();
        let plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
        let _ = match plain {
            true => write!(text, "{name}={value} "),
            false => write!(text, "{name}={value:?} "),
        };
    }
    text.push_str(&message.replace('\n', "\\n"));
    text
}

/// `2006-01-02 15:04:05`, in UTC.
fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the leap day is the last of one (Howard Hinnant's `civil_from_days`).
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(moment(1_767_225_599), "2025-12-31 23:59:59");
    }

    #[test]
    fn a_line_stays_one_line() {
        let text = compose("two\nlines", &[("who", &"Ada L"), ("n", &3), ("x", &"a\nb")]);
        assert_eq!(text, "who=\"Ada L\" n=3 x=\"a\\nb\" two\\nlines");
    }

    #[test]
    fn the_newest_lines_are_kept_in_order() {
        for n in 0..3 {
            error("kept", &[("n", &n)]);
        }
        let kept = recent(1_000, 0);
        let kept: Vec<&str> = kept
            .iter()
            .map(|l| l.text.as_str())
            .filter(|t| t.ends_with(" kept"))
            .collect();
        assert_eq!(kept, ["n=0 kept", "n=1 kept", "n=2 kept"]);
        assert_eq!(recent(0, 0).len(), 0);
        assert_eq!(recent(1_000, u64::MAX).len(), 0);
    }
}
