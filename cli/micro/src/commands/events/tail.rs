//! `micro events tail`.

use std::time::Duration;

use futures::TryStreamExt;
use micro_error::{Error, Kind};
use micro_proto::events::{ConsumeRequest, Stream};

use super::{Beginning, as_json, text};
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Print a topic's events as they come: beside all groups and without changing anything, unless a group is named
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro events tail orders\n  micro events tail orders --oldest --count 10\n  micro events tail orders --group billing"
)]
pub struct Args {
    /// The topic
    topic: String,

    #[command(flatten)]
    from: Beginning,

    /// As a member of this group: what is printed is done for it. A new group begins where the flags say
    #[arg(short, long, default_value = "", hide_default_value = true)]
    group: String,

    /// End after so many
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
}

/// How long until a connection that was lost is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (offset, number) = args.from.place(ctx.now())?;
    let mut request = ConsumeRequest {
        topic: args.topic,
        group: args.group,
        auto_ack: true,
        offset,
        number,
        ..ConsumeRequest::default()
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    loop {
        let session = ctx.logged_in().await?;
        let failed = async {
            let mut events = session.events().consume(&session.caller(), request.clone()).await?;
            while left > 0
                && let Some(event) = events.try_next().await?
            {
                match ctx.out.json() {
                    true => ctx.out.line(as_json(&event)),
                    false => ctx.out.line(text(&event.payload)),
                }
                // Where to go on if the connection is lost: a group stands there already.
                request.number = Some(event.number + 1);
                left -= 1;
            }
            Ok::<_, Error>(())
        };
        match failed.await {
            Ok(()) => return Ok(Exit::Done),
            Err(e) if e.kind() == Kind::Unavailable && request.number.is_some() => tokio::time::sleep(PAUSE).await,
            Err(e) => return Err(session.explain(&e)),
        }
    }
}
