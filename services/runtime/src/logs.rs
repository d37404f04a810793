//! One service's log, put together from the logs of its builds and instances: in order of time, exact in number, and
//! followed without gaps or repeats.

use std::{collections::BTreeSet, io, path::PathBuf, time::Duration};

use futures::{FutureExt, future::select_all, stream};
use micro_proto::runtime::LogRecord;
use micro_rpc::Streaming;
use micro_sandbox::{Entry, LogReader, Record, Stream};
use time::OffsetDateTime;

use crate::{
    layout::{Home, Run, RunKind},
    state::ServiceId,
};

/// Entries read at once from one log.
const BATCH: usize = 512;
/// How soon a new build or instance is noticed.
const NOTICE: Duration = Duration::from_millis(200);

/// Which part of a log is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// At most so many of the last lines; none: all.
    pub(crate) count: Option<usize>,
    /// None before this.
    pub(crate) since: Option<OffsetDateTime>,
    /// Go on with what comes.
    pub(crate) follow: bool,
}

struct Part {
    run: Run,
    reader: LogReader,
}

/// The log of the service in `home`, as it was asked for.
pub(crate) fn read(home: Home, id: ServiceId, asked: Asked) -> io::Result<Streaming<LogRecord>> {
    let mut log = Log {
        home,
        id,
        parts: Vec::new(),
        known: BTreeSet::new(),
    };
    log.discover(asked.count)?;
    let mut lines = log.drain()?;
    if let Some(since) = asked.since {
        lines.retain(|(at, _)| *at >= since);
    }
    if let Some(count) = asked.count {
        let too_many = lines.len().saturating_sub(count);
        lines.drain(..too_many);
    }
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    if !asked.follow {
        return Ok(Box::pin(stream::iter(lines.into_iter().map(Ok))));
    }
    Ok(Box::pin(stream::unfold(
        (log, lines.into_iter()),
        |(mut log, mut lines)| async move {
            loop {
                if let Some(line) = lines.next() {
                    return Some((Ok(line), (log, lines)));
                }
                match log.more().await {
                    Ok(more) => lines = more.into_iter(),
                    Err(e) => {
                        tracing::debug!(error = %e, "a followed log ended");
                        return None;
                    }
                }
            }
        },
    )))
}

struct Log {
    home: Home,
    id: ServiceId,
    parts: Vec<Part>,
    known: BTreeSet<PathBuf>,
}

impl Log {
    /// Opens the parts that are new; at their last `count` lines where that is enough.
    fn discover(&mut self, count: Option<usize>) -> io::Result<()> {
        for run in self.home.runs()? {
            let logs = run.logs();
            if self.known.contains(&run.dir) || !logs.is_dir() {
                continue;
            }
            let reader = match count {
                Some(count) => match LogReader::tail(&logs, count as u64) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    reader => reader?,
                },
                None => LogReader::from(logs, 1),
            };
            self.known.insert(run.dir.clone());
            self.parts.push(Part { run, reader });
        }
        Ok(())
    }

    /// Everything there is now, in order of time.
    fn drain(&mut self) -> io::Result<Vec<(OffsetDateTime, LogRecord)>> {
        let mut lines = Vec::new();
        for part in &mut self.parts {
            loop {
                let entries = match part.reader.read(BATCH) {
                    // Removed to stay within the bound.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => break,
                    entries => entries?,
                };
                if entries.is_empty() {
                    break;
                }
                lines.extend(entries.into_iter().filter_map(|entry| line(&self.id, &part.run, entry)));
            }
        }
        // Stable: lines of the same moment stay in the order of their log.
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines)
    }

    /// Waits for news. Safe to cancel.
    async fn more(&mut self) -> io::Result<Vec<LogRecord>> {
        loop {
            self.parts.retain(|part| part.run.logs().is_dir());
            self.discover(None)?;
            let lines = self.drain()?;
            if !lines.is_empty() {
                return Ok(lines.into_iter().map(|(_, line)| line).collect());
            }
            let any = self
                .parts
                .iter_mut()
                .map(|part| async { (part.reader.follow(BATCH).await, &part.run) }.boxed());
            let any: Vec<_> = any.collect();
            if any.is_empty() {
                tokio::time::sleep(NOTICE).await;
                continue;
            }
            tokio::select! {
                ((entries, run), _, _) = select_all(any) => match entries {
                    Ok(entries) => {
                        let lines = entries.into_iter().filter_map(|entry| line(&self.id, run, entry));
                        return Ok(lines.map(|(_, line)| line).collect());
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                },
                () = tokio::time::sleep(NOTICE) => {}
            }
        }
    }
}

fn line(id: &ServiceId, run: &Run, entry: Entry) -> Option<(OffsetDateTime, LogRecord)> {
    let Entry::Line(Record {
        sequence,
        at,
        stream,
        text,
    }) = entry
    else {
        return None;
    };
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::System => "system",
    };
    let instance = match run.kind {
        RunKind::Instance => run.id.to_string(),
        RunKind::Build | RunKind::Release => "build".to_owned(),
    };
    let metadata = [
        ("service", id.name.clone()),
        ("version", id.version.clone()),
        ("instance", instance),
        ("stream", stream.to_owned()),
        ("sequence", sequence.to_string()),
        ("time", crate::instance::rfc3339(at)),
    ];
    let metadata = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    Some((
        at,
        LogRecord {
            timestamp: at.unix_timestamp(),
            metadata,
            message: text,
        },
    ))
}
