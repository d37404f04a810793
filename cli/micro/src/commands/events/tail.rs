//! `micro events tail`.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use micro_error::{Error, Kind};
use micro_proto::events::{AckRequest, ConsumeRequest, Stream};
use tokio::{sync::mpsc, time::timeout};

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

/// How long the server waits for an event to be printed, before it gives it to another member of the group.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long until a connection that was lost is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (offset, number) = args.from.place(ctx.now())?;
    let mut request = ConsumeRequest {
        topic: args.topic,
        auto_ack: args.group.is_empty(),
        group: args.group,
        offset,
        number,
        ack_wait: ACK_WAIT.as_nanos() as i64,
        retry_limit: -1,
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    loop {
        let session = ctx.logged_in().await?;
        let failed = async {
            let (done, acks) = mpsc::unbounded_channel();
            let acks = stream::unfold(acks, |mut acks| async { Some((Ok(acks.recv().await?), acks)) });
            let mut events = match request.auto_ack {
                true => session.events().consume(&session.caller(), request.clone()).await?,
                false => session.consume(&request, acks.boxed()).await?,
            };
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
                let _it_may_have_gone = done.send(AckRequest {
                    id: event.id,
                    success: true,
                });
            }
            drop(done);
            if !request.auto_ack {
                // Once the server ends too, the last acknowledgement has arrived; what it sends meanwhile comes again.
                let ended = async { while let Ok(Some(_unseen)) = events.try_next().await {} };
                let _or_never = timeout(PAUSE * 5, ended).await;
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
