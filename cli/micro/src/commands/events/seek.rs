//! `micro events seek`.

use micro_proto::events::{Groups, SeekRequest};

use super::Beginning;
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Send a group back, or ahead: without more, to what comes next
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro events seek orders billing --since 2h")]
pub struct Args {
    /// The topic
    topic: String,

    /// The group
    group: String,

    #[command(flatten)]
    to: Beginning,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (offset, number) = args.to.place(ctx.now())?;
    let session = ctx.logged_in().await?;
    let request = SeekRequest {
        topic: args.topic,
        group: args.group,
        offset,
        number,
    };
    let sought = session.groups().seek(&session.caller(), request).await;
    sought.map_err(|e| session.explain(&e))?;
    Ok(Exit::Done)
}
