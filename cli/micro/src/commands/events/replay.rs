//! `micro events replay`.

use micro_proto::events::{Groups, ReplayRequest};
use serde_json::json;

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Give dead letters to their group again, before what is next for it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The topic
    topic: String,

    /// The group
    group: String,

    /// The letters' numbers: by default all
    numbers: Vec<u64>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let request = ReplayRequest {
        topic: args.topic,
        group: args.group,
        numbers: args.numbers,
    };
    let answer = session.groups().replay(&session.caller(), request).await;
    let replayed = answer.map_err(|e| session.explain(&e))?.replayed;
    match ctx.out.json() {
        true => ctx.out.value(&json!({ "replayed": replayed }))?,
        false => ctx.out.talk(format!("{replayed} given again")),
    }
    Ok(Exit::Done)
}
