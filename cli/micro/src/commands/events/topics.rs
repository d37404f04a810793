//! `micro events topics`.

use micro_proto::events::{ListTopicsRequest, Topics};
use serde_json::json;

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
    table::{self, Fill},
};

/// List topics, with how many events they hold and how many groups consume them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only topics whose names begin so
    #[arg(short, long, default_value = "", hide_default_value = true)]
    prefix: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let request = ListTopicsRequest { prefix: args.prefix };
    let listed = session.topics().list(&session.caller(), request).await;
    let topics = listed.map_err(|e| session.explain(&e))?.topics;
    if ctx.out.json() {
        let topics: Vec<_> = topics
            .iter()
            .map(|t| json!({ "name": t.name, "oldest": t.oldest, "next": t.next, "groups": t.groups }))
            .collect();
        ctx.out.value(&topics)?;
    } else if !topics.is_empty() {
        let header = ["TOPIC", "EVENTS", "NEXT", "GROUPS"].map(str::to_owned).to_vec();
        let rows = topics.into_iter().map(|t| {
            let kept = t.next - t.oldest;
            vec![t.name, kept.to_string(), t.next.to_string(), t.groups.to_string()]
        });
        let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
        ctx.out.raw(&table::render(&rows, Fill::Spaces(3)));
    }
    Ok(Exit::Done)
}
