//! `micro-admin jobs list`.

use clap::ValueEnum;
use micro_proto::operators::{Job, Jobs, JobsClient, ListJobsRequest};
use serde_json::json;

use crate::{
    commands::Page,
    ctx::{Ctx, or_dash, when},
    exit::{Exit, Result},
};

/// List jobs, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro-admin jobs list --state parked")]
pub struct Args {
    /// Only jobs in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    page: Page,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Waiting for its time, or for a worker
    Due,
    /// Being worked on
    Leased,
    /// Given up
    Parked,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let state = match args.state {
        None => "",
        Some(State::Due) => "due",
        Some(State::Leased) => "leased",
        Some(State::Parked) => "parked",
    };
    let door = ctx.enter().await?;
    let request = ListJobsRequest {
        state: state.into(),
        limit: args.page.limit,
        cursor: args.page.cursor,
    };
    let page = JobsClient::new(door.client)
        .list(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let object = |j: &Job| {
        json!({
            "id": j.id, "kind": j.kind, "state": j.state, "attempts": j.attempts, "last_error": j.last_error, "run_at": j.run_at,
        })
    };
    let row = |j: &Job| {
        let error = j.last_error.split_whitespace().collect::<Vec<_>>().join(" ");
        vec![
            j.id.clone(),
            j.kind.clone(),
            j.state.clone(),
            j.attempts.to_string(),
            when(j.run_at),
            or_dash(&error),
        ]
    };
    let objects = page.jobs.iter().map(object).collect();
    ctx.table(
        &["ID", "KIND", "STATE", "TRIES", "RUNS", "ERROR"],
        page.jobs.iter().map(row).collect(),
        &objects,
    )?;
    ctx.more(&page.next_cursor);
    Ok(Exit::Done)
}
