//! One service's log, put together from the logs of its builds and instances: in order of time, exact in number, and
//! followed without gaps or repeats.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    path::PathBuf,
    time::Duration,
};

use futures::{FutureExt, future::select_all, stream};
use micro_error::Error;
use micro_proto::runtime::LogRecord;
use micro_rpc::Streaming;
use micro_sandbox::{Entry, LogReader, Record, Stream};
use time::OffsetDateTime;

use crate::{
    layout::{Home, Run, RunKind},
    state::ServiceId,
};

/// Entries read at once from one log.
const BATCH: usize = 256;
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

type Line = (OffsetDateTime, LogRecord);

struct Part {
    run: Run,
    reader: LogReader,
    ahead: VecDeque<Line>,
}

impl Part {
    /// Reads lines ahead. Where there are none now, lets go of the file and its buffer.
    fn fill(&mut self, id: &ServiceId) -> io::Result<()> {
        while self.ahead.is_empty() {
            let entries = self.read()?;
            if entries.is_empty() {
                self.reader = LogReader::from(self.run.logs(), self.reader.next_sequence());
                return Ok(());
            }
            self.ahead
                .extend(entries.into_iter().filter_map(|entry| line(id, &self.run, entry)));
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<Vec<Entry>> {
        match self.reader.read(BATCH) {
            // Removed to stay within the bound.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries,
        }
    }
}

/// The log of the service in `home`, as it was asked for. `held` is kept as long as somebody reads.
pub(crate) fn read<H: Send + 'static>(
    home: Home,
    id: ServiceId,
    asked: Asked,
    held: H,
) -> io::Result<Streaming<LogRecord>> {
    let open = || Log::open(home.clone(), id.clone(), asked);
    let mut log = open()?;
    if let Some(count) = asked.count {
        // Counted first and read again: a log is never held in memory as a whole.
        let mut counted = open()?;
        let mut lines = 0_usize;
        while counted.next_past()?.is_some() {
            lines += 1;
        }
        for _too_many in count..lines {
            log.next_past()?;
        }
    }
    Ok(Box::pin(stream::unfold(Some((log, held)), |reading| async {
        let (mut log, held) = reading?;
        match log.next().await {
            Ok(line) => line.map(|line| (Ok(line), Some((log, held)))),
            Err(e) => Some((Err(Error::internal(e)), None)),
        }
    })))
}

struct Log {
    home: Home,
    id: ServiceId,
    asked: Asked,
    /// In the order in which they began.
    parts: Vec<Part>,
    known: BTreeSet<PathBuf>,
    /// So many of the parts are being read: one after the other, as far as they do not overlap in time.
    opened: usize,
    /// What had been there when reading began has been read.
    caught_up: bool,
    news: VecDeque<LogRecord>,
}

impl Log {
    fn open(home: Home, id: ServiceId, asked: Asked) -> io::Result<Self> {
        let mut log = Self {
            home,
            id,
            asked,
            parts: Vec::new(),
            known: BTreeSet::new(),
            opened: 0,
            caught_up: false,
            news: VecDeque::new(),
        };
        log.discover(asked.count)?;
        Ok(log)
    }

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
            self.parts.push(Part {
                run,
                reader,
                ahead: VecDeque::new(),
            });
        }
        Ok(())
    }

    /// The next line; none at the end of a log that is not followed.
    async fn next(&mut self) -> io::Result<Option<LogRecord>> {
        if !self.caught_up {
            if let Some((_, line)) = self.next_past()? {
                return Ok(Some(line));
            }
            self.caught_up = true;
        }
        while self.asked.follow && self.news.is_empty() {
            self.news = self.more().await?.into();
        }
        Ok(self.news.pop_front())
    }

    /// The next line of what is there, in order of time.
    fn next_past(&mut self) -> io::Result<Option<Line>> {
        loop {
            let heads = self.parts[..self.opened].iter().enumerate();
            let heads = heads.filter_map(|(at, part)| Some((part.ahead.front()?.0, at)));
            let first = heads.min();
            if let Some(next) = self.parts.get_mut(self.opened)
                && first.is_none_or(|(time, _)| next.run.began() <= time.unix_timestamp_nanos() / 1_000_000)
            {
                next.fill(&self.id)?;
                self.opened += 1;
                continue;
            }
            let Some((time, at)) = first else { return Ok(None) };
            let part = &mut self.parts[at];
            let line = part.ahead.pop_front();
            part.fill(&self.id)?;
            if self.asked.since.is_none_or(|since| time >= since) {
                return Ok(line);
            }
        }
    }

    /// Some of what has come since, in order of time.
    fn fresh(&mut self) -> io::Result<Vec<LogRecord>> {
        let mut lines = Vec::new();
        for part in &mut self.parts {
            let entries = part.read()?;
            lines.extend(entries.into_iter().filter_map(|entry| line(&self.id, &part.run, entry)));
        }
        // Stable: lines of the same moment stay in the order of their log.
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// Waits for news. Safe to cancel.
    async fn more(&mut self) -> io::Result<Vec<LogRecord>> {
        loop {
            self.parts.retain(|part| part.run.logs().is_dir());
            self.discover(None)?;
            let lines = self.fresh()?;
            if !lines.is_empty() {
                return Ok(lines);
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

fn line(id: &ServiceId, run: &Run, entry: Entry) -> Option<Line> {
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

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use micro_domain::{InstanceId, NamespaceId};
    use micro_sandbox::LogWriter;

    use super::*;
    use crate::layout::{Layout, private_dir};

    const BEGIN: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn at(millis: i64) -> OffsetDateTime {
        BEGIN + time::Duration::milliseconds(millis)
    }

    /// Two instances whose lines interleave, and a third that came after both.
    fn written(root: &std::path::Path, lines: i64) -> (Home, ServiceId) {
        let id = ServiceId {
            name: "chatty".into(),
            version: "latest".into(),
        };
        let home = Layout::open(root)
            .expect("opened")
            .home(NamespaceId::new(uuid::Uuid::nil()), &id);
        home.ensure().expect("made");
        for (n, first, step) in [(1, 0, 2), (2, 1, 2), (3, 2 * lines, 1)] {
            let run = home.new_run(RunKind::Instance, InstanceId::new(uuid::Uuid::from_u128(n)), at(first));
            private_dir(&run.logs()).expect("made");
            let mut log = LogWriter::open(&run.logs(), 32 << 20).expect("a log");
            for nth in 0..lines {
                let time = first + nth * step;
                log.append(at(time), Stream::Stdout, time.to_string()).expect("written");
            }
            log.flush().expect("written");
        }
        (home, id)
    }

    async fn told(home: &Home, id: &ServiceId, count: Option<usize>, since: Option<OffsetDateTime>) -> Vec<i64> {
        let asked = Asked {
            count,
            since,
            follow: false,
        };
        let lines = read(home.clone(), id.clone(), asked, ()).expect("opened");
        lines
            .map(|line| line.expect("a line").message.parse::<i64>().expect("a number"))
            .collect()
            .await
    }

    #[tokio::test]
    async fn what_is_asked_for_comes_in_order_of_time_and_exactly() {
        let root = tempfile::tempdir().expect("a folder");
        let lines = 3 * BATCH as i64;
        let (home, id) = written(root.path(), lines);
        let all: Vec<i64> = (0..3 * lines).collect();
        assert_eq!(told(&home, &id, None, None).await, all);
        for count in [0, 1, 7, BATCH + 1, all.len(), usize::MAX] {
            let last = all.len().saturating_sub(count);
            assert_eq!(told(&home, &id, Some(count), None).await, all[last..], "{count}");
        }
        let since = told(&home, &id, Some(5), Some(at(3 * lines - 2))).await;
        assert_eq!(since, all[all.len() - 2..]);
    }

    #[test]
    fn a_whole_log_is_never_held_in_memory() {
        let root = tempfile::tempdir().expect("a folder");
        let (home, id) = written(root.path(), 20 * BATCH as i64);
        let asked = Asked {
            count: None,
            since: None,
            follow: false,
        };
        let mut log = Log::open(home, id, asked).expect("opened");
        let mut most = 0;
        while log.next_past().expect("read").is_some() {
            most = most.max(log.parts.iter().map(|part| part.ahead.len()).sum());
        }
        assert!((1..=2 * BATCH).contains(&most), "{most}");
    }
}
