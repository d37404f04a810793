//! `micro-admin secrets rotate`.

use futures::StreamExt;
use micro_error::Error;
use micro_proto::operators::{RotateSecretsProgress, RotateSecretsRequest, Secrets, SecretsClient};
use serde_json::json;

use crate::{
    ctx::{Ctx, Door},
    exit::{Exit, Failure, Result},
};

/// Seal every namespace's secrets anew with the key in use
///
/// Put the new key first in MICRO_CONFIG_SECRET_KEY, behind it the old one, with a comma between, and restart every
/// server. Then run this. When no namespace has failed, the old key can be taken away. It may be run again at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro-admin secrets rotate --reason \"the yearly rotation\"")]
pub struct Args {
    /// Why: it goes into the audit log
    #[arg(long)]
    reason: String,
    /// Where to go on: from a run that ended early
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
}

/// What came of it so far.
#[derive(Default)]
struct Tally {
    namespaces: u64,
    sealed: u64,
    failed: u64,
    cursor: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let Door { client, caller } = ctx.enter().await?;
    let request = RotateSecretsRequest {
        reason: args.reason,
        cursor: args.cursor.clone(),
    };
    let mut progress = SecretsClient::new(client)
        .rotate(&caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let mut tally = Tally {
        cursor: args.cursor,
        ..Tally::default()
    };
    while let Some(told) = progress.next().await {
        match told {
            Ok(told) => tally.note(told, ctx),
            Err(error) => return Err(tally.ended_early(&error, ctx)),
        }
    }
    tally.show(ctx)
}

impl Tally {
    fn note(&mut self, told: RotateSecretsProgress, ctx: &Ctx) {
        self.namespaces += 1;
        self.sealed += told.sealed;
        if !told.error.is_empty() {
            self.failed += 1;
            ctx.out.talk(format!("{}: {}", told.namespace, told.error));
        } else if told.sealed > 0 {
            ctx.out.talk(format!("{}: {} sealed anew", told.namespace, told.sealed));
        }
        self.cursor = told.cursor;
    }

    fn ended_early(&self, error: &Error, ctx: &Ctx) -> Failure {
        let failure = ctx.explain(error);
        let from = match self.cursor.as_str() {
            "" => String::new(),
            cursor => format!(" with --cursor {cursor}"),
        };
        Failure {
            message: format!("{}\nIt ended early: run it again{from}.", failure.message),
            ..failure
        }
    }

    fn show(&self, ctx: &Ctx) -> Result {
        let Self {
            namespaces,
            sealed,
            failed,
            ..
        } = self;
        if ctx.out.json() {
            ctx.out
                .value(&json!({"namespaces": namespaces, "sealed": sealed, "failed": failed}))?;
        } else {
            ctx.out.line(format!(
                "{namespaces} namespaces, {sealed} secrets sealed anew, {failed} namespaces failed"
            ));
        }
        match failed {
            0 => Ok(Exit::Done),
            _ => Err(Failure::plain("Keep the keys before until no namespace fails.")),
        }
    }
}
