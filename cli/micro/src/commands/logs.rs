//! `micro logs`: what a service said.

use std::{collections::VecDeque, time::Duration};

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_proto::runtime::{LogRecord, LogsOptions, LogsRequest, Runtime};
use serde_json::json;

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
    source, span,
};

/// How long `-f` waits before it takes a lost connection up again.
const PAUSE: Duration = Duration::from_secs(1);

/// Get logs for a service e.g. micro logs helloworld
///
/// The build's output is in the same log.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro logs greeter\n  micro logs -f greeter\n  micro logs --since 10m -n 200 greeter"
)]
pub struct Args {
    /// The service, as `micro status` names it
    name: String,

    /// Go on with new lines as they come
    #[arg(short, long)]
    follow: bool,

    /// How many of the last lines
    #[arg(short = 'n', long, default_value_t = 15)]
    lines: i64,

    /// Only lines of so long ago or later: 30s, 10m, 2h
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,

    /// Only of this version
    #[arg(long)]
    version: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let since = match &args.since {
        Some(text) => {
            let span =
                span::parse(text).ok_or_else(|| Failure::plain(format!("{text:?} is no span of time: try 10m")))?;
            (ctx.now() - span).unix_timestamp()
        }
        None => 0,
    };
    let (name, version) = source::split_reference(&args.name);
    let mut request = LogsRequest {
        service: name.to_owned(),
        stream: args.follow,
        count: args.lines,
        since,
        options: None,
        version: args.version.or_else(|| version.map(str::to_owned)).unwrap_or_default(),
    };
    let mut seen = Seen::default();
    loop {
        let session = ctx.logged_in().await?;
        request.options = Some(LogsOptions {
            namespace: session.namespace.clone(),
        });
        match print(&session, request.clone(), &mut seen, ctx).await {
            Ok(()) => return Ok(Exit::Done),
            Err(e) if args.follow && e.kind() == Kind::Unavailable => {
                let Some(since) = seen.resume() else {
                    return Err(session.explain(&e));
                };
                (request.since, request.count) = (since, 0);
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) if e.kind() == Kind::NotFound => {
                return Err(Failure::plain("Service not found").next("`micro status` lists what runs."));
            }
            Err(e) if e.kind() == Kind::Unauthenticated => return Err(session.explain(&e)),
            Err(e) => {
                return Err(Failure::new(
                    Exit::Error,
                    format!("Error reading logs: {}", e.message()),
                ));
            }
        }
    }
}

async fn print(session: &Session, request: LogsRequest, seen: &mut Seen, ctx: &Ctx) -> std::result::Result<(), Error> {
    let mut records = session.runtime().logs(&session.caller(), request).await?;
    while let Some(record) = records.next().await {
        let record = record?;
        if seen.is_new(&record) {
            ctx.out.line(form(&record, ctx.out.json()));
        }
    }
    Ok(())
}

fn form(record: &LogRecord, as_json: bool) -> String {
    match as_json {
        true => json!({"Message": record.message, "Metadata": record.metadata}).to_string(),
        false => record.message.clone(),
    }
}

/// The lines that were shown last, so that a connection taken up again repeats none of them.
#[derive(Default)]
struct Seen {
    last: VecDeque<String>,
    time: i64,
    resumed: bool,
}

impl Seen {
    /// Lines remembered: the log is asked again by whole seconds, and a second has no more.
    const MOST: usize = 4_096;

    /// Where to go on, if the lines that were shown can be told apart.
    fn resume(&mut self) -> Option<i64> {
        self.resumed = true;
        (!self.last.is_empty()).then_some(self.time)
    }

    fn is_new(&mut self, record: &LogRecord) -> bool {
        let part = |key: &str| record.metadata.get(key).map(String::as_str).unwrap_or_default();
        if part("sequence").is_empty() {
            return true;
        }
        let line = format!("{} {} {}", part("instance"), part("time"), part("sequence"));
        if self.resumed && self.last.contains(&line) {
            return false;
        }
        if self.last.len() == Self::MOST {
            self.last.pop_front();
        }
        self.last.push_back(line);
        self.time = record.timestamp;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_taken_up_again_repeats_nothing() {
        let record = |instance: &str, n: u64| LogRecord {
            timestamp: 5,
            metadata: [
                ("instance", instance.to_owned()),
                ("sequence", n.to_string()),
                ("time", "t".into()),
            ]
            .map(|(k, v)| (k.to_owned(), v))
            .into_iter()
            .collect(),
            message: "m".into(),
        };
        let mut seen = Seen::default();
        assert_eq!(Seen::default().resume(), None);
        assert!(seen.is_new(&record("a", 1)) && seen.is_new(&record("b", 1)));
        assert_eq!(seen.resume(), Some(5));
        assert!(!seen.is_new(&record("a", 1)) && !seen.is_new(&record("b", 1)));
        assert!(seen.is_new(&record("b", 2)));
    }
}
