//! `micro store tables`.

use micro_proto::store::{Store, TablesRequest};

use super::refused;
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List the tables that hold records
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database: a namespace, by default the current one
    #[arg(short, long, value_name = "NAMESPACE")]
    database: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let database = args.database.unwrap_or_else(|| session.namespace.clone());
    let answer = session
        .store()
        .tables(&session.caller(), TablesRequest { database })
        .await;
    let tables = answer
        .map_err(|e| refused(&session, "couldn't list tables", &e))?
        .tables;
    if ctx.out.json() {
        ctx.out.value(&tables)?;
    } else {
        tables.iter().for_each(|name| ctx.out.line(name));
    }
    Ok(Exit::Done)
}
