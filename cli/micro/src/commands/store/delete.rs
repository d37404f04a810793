//! `micro store delete`.

use micro_proto::store::{DeleteOptions, DeleteRequest, Store};

use super::{Place, refused};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
};

/// Delete a record
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro store delete visits")]
pub struct Args {
    /// The record's key
    key: Option<String>,

    #[command(flatten)]
    place: Place,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let key = args.key.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Failure::plain("Key is required"))?;
    let session = ctx.logged_in().await?;
    let options = DeleteOptions {
        database: args.place.database(&session),
        table: args.place.table,
    };
    let request = DeleteRequest {
        key: key.clone(),
        options: Some(options),
    };
    session
        .store()
        .delete(&session.caller(), request)
        .await
        .map_err(|e| refused(&session, &format!("couldn't delete key {key}"), &e))?;
    Ok(Exit::Done)
}
