//! `micro events publish`.

use std::collections::BTreeMap;

use micro_proto::events::{PublishRequest, Stream};
use serde_json::json;

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
};

/// Publish an event
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro events publish orders '{\"id\": 7}' --metadata source=till-3")]
pub struct Args {
    /// The topic
    topic: String,

    /// What to publish: words are joined by spaces
    #[arg(required = true, num_args = 1.., allow_negative_numbers = true)]
    payload: Vec<String>,

    /// NAME=VALUE that goes with it
    #[arg(short, long, value_name = "NAME=VALUE")]
    metadata: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let metadata = args.metadata.iter().map(|pair| {
        let parts = pair.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) =
            parts.ok_or_else(|| Failure::plain(format!("{pair:?} is no metadata: write NAME=VALUE")))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let metadata = metadata.collect::<Result<BTreeMap<_, _>>>()?;
    let session = ctx.logged_in().await?;
    let request = PublishRequest {
        topic: args.topic,
        payload: args.payload.join(" ").into(),
        timestamp: ctx.now().unix_timestamp(),
        metadata,
        ..PublishRequest::default()
    };
    let published = session.events().publish(&session.caller(), request).await;
    let published = published.map_err(|e| session.explain(&e))?;
    if ctx.out.json() {
        ctx.out.value(&json!({ "id": published.id }))?;
    }
    Ok(Exit::Done)
}
