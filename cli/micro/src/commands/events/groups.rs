//! `micro events groups`.

use micro_proto::events::{Groups, ListGroupsRequest};
use serde_json::json;

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
    table::{self, Fill},
};

/// List groups of consumers, and how far behind they are
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The topic: by default all
    #[arg(default_value = "", hide_default_value = true)]
    topic: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let request = ListGroupsRequest { topic: args.topic };
    let listed = session.groups().list(&session.caller(), request).await;
    let groups = listed.map_err(|e| session.explain(&e))?.groups;
    if ctx.out.json() {
        let groups: Vec<_> = groups
            .iter()
            .map(|g| json!({ "topic": g.topic, "group": g.name, "next": g.number, "behind": g.behind, "attempts": g.attempts }))
            .collect();
        ctx.out.value(&groups)?;
    } else if !groups.is_empty() {
        let header = ["TOPIC", "GROUP", "NEXT", "BEHIND", "ATTEMPTS"]
            .map(str::to_owned)
            .to_vec();
        let rows = groups.into_iter().map(|g| {
            let [number, behind, attempts] = [g.number, g.behind, g.attempts].map(|n| n.to_string());
            vec![g.topic, g.name, number, behind, attempts]
        });
        let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
        ctx.out.raw(&table::render(&rows, Fill::Spaces(3)));
    }
    Ok(Exit::Done)
}
