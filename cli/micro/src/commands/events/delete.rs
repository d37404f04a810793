//! `micro events delete`.

use micro_proto::events::{DeleteGroupRequest, DeleteTopicRequest, Groups, Topics};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Delete a topic with all its events, or one of its groups: nobody may be consuming it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro events delete orders billing\n  micro events delete orders")]
pub struct Args {
    /// The topic
    topic: String,

    /// Only this group of it, and its dead letters
    group: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let caller = session.caller();
    let deleted = match args.group {
        Some(group) => {
            let request = DeleteGroupRequest {
                topic: args.topic,
                group,
            };
            session.groups().delete(&caller, request).await.map(drop)
        }
        None => {
            let request = DeleteTopicRequest { topic: args.topic };
            session.topics().delete(&caller, request).await.map(drop)
        }
    };
    deleted.map_err(|e| session.explain(&e))?;
    Ok(Exit::Done)
}
