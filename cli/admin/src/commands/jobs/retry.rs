//! `micro-admin jobs retry`.

use micro_proto::operators::{Jobs, JobsClient, RetryJobRequest};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Let a parked or waiting job run now
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro-admin jobs retry ID --reason \"the mail server is back\"")]
pub struct Args {
    /// The job's id
    id: String,
    /// Why: it goes into the audit log
    #[arg(long)]
    reason: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let door = ctx.enter().await?;
    let request = RetryJobRequest {
        id: args.id.clone(),
        reason: args.reason,
    };
    JobsClient::new(door.client)
        .retry(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    if ctx.out.json() {
        ctx.out.value(&serde_json::json!({"id": args.id, "due": true}))?;
    } else {
        ctx.out.talk(format!("{} is due now.", args.id));
    }
    Ok(Exit::Done)
}
