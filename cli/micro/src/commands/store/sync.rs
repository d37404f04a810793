//! `micro store sync`: the records of one store into another.

use futures::TryStreamExt;
use micro_proto::store::{ExportRequest, Snapshots};

use super::{
    refused,
    snapshot::{Restore, tell},
};
use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
};

/// Copy the records of one store into another
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  micro store sync --from-env dev --to-env platform --from-table notes\n\nRecords that are only in the other store stay there."
)]
pub struct Args {
    /// The environment to read from, by default the current one
    #[arg(long, value_name = "ENV")]
    from_env: Option<String>,

    /// The namespace to read from, by default the one in use there
    #[arg(long, value_name = "NAMESPACE")]
    from_database: Option<String>,

    /// Only this table
    #[arg(long, value_name = "TABLE", default_value = "", hide_default_value = true)]
    from_table: String,

    /// The environment to write to, by default the current one
    #[arg(long, value_name = "ENV")]
    to_env: Option<String>,

    /// The namespace to write to, by default the one in use there
    #[arg(long, value_name = "NAMESPACE")]
    to_database: Option<String>,

    /// Write into this table instead of those of the same names
    #[arg(long, value_name = "TABLE")]
    to_table: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    if args.to_table.is_some() && args.from_table.is_empty() {
        return Err(Failure::plain("--to-table needs --from-table: one table goes into one"));
    }
    let from = ctx.of_env(args.from_env)?.logged_in().await?;
    let to = ctx.of_env(args.to_env)?.logged_in().await?;
    let source = args.from_database.unwrap_or_else(|| from.namespace.clone());
    let target = args.to_database.unwrap_or_else(|| to.namespace.clone());
    let same_place = from.env.address == to.env.address && source == target;
    if same_place && args.to_table.as_ref().is_none_or(|table| *table == args.from_table) {
        return Err(Failure::plain(
            "from and to are the same store: there is nothing to copy",
        ));
    }
    let request = ExportRequest {
        database: source,
        table: args.from_table,
    };
    let failed = |e| refused(&from, "couldn't read", &e);
    let mut pages = from.snapshots().export(&from.caller(), request).await.map_err(failed)?;
    let mut restore = Restore::new(&to, target);
    while let Some(page) = pages.try_next().await.map_err(failed)? {
        for mut record in page.records {
            if let Some(table) = &args.to_table {
                record.table.clone_from(table);
            }
            restore.add(record).await?;
        }
        ctx.out.progress(&format!("{} records", restore.done.written));
    }
    let done = restore.end().await?;
    ctx.out.progress_done();
    tell(ctx, &[("written", done.written), ("expired", done.expired)])
}
