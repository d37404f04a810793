//! `micro logs`: what a service said.

use std::time::Duration;

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
            Err(e) if args.follow && seen.any() && e.kind() == Kind::Unavailable => {
                request.since = seen.time;
                request.count = 0;
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) if e.kind() == Kind::NotFound => return Err(Failure::plain("Service not found")),
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

/// How far the log was read, so that a connection taken up again repeats nothing: by the lines' own numbers.
#[derive(Default)]
struct Seen {
    number: Option<u64>,
    time: i64,
}

impl Seen {
    fn any(&self) -> bool {
        self.number.is_some()
    }

    fn is_new(&mut self, record: &LogRecord) -> bool {
        let number = record.metadata.get("seq").and_then(|n| n.parse().ok());
        if let (Some(last), Some(number)) = (self.number, number)
            && number <= last
        {
            return false;
        }
        self.number = number.or(self.number);
        // The log is asked by whole seconds: lines of the same second come again and are told by their numbers.
        self.time = record.timestamp / 1_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_taken_up_again_repeats_nothing() {
        let record = |n: u64| LogRecord {
            timestamp: 5_000,
            metadata: [("seq".to_owned(), n.to_string())].into_iter().collect(),
            message: "m".into(),
        };
        let mut seen = Seen::default();
        assert!(!seen.any());
        let fresh: Vec<bool> = [1, 2, 1, 2, 3].map(|n| seen.is_new(&record(n))).to_vec();
        assert_eq!((fresh, seen.time), (vec![true, true, false, false, true], 5));
    }
}
