//! `micro-admin customers`.

mod list;
mod show;

use clap::Subcommand;
use micro_proto::operators::Customer;
use serde_json::{Value, json};

use crate::{
    ctx::{Ctx, or_dash, when},
    exit::Result,
};

/// See customers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        Verb::List(args) => list::run(args, ctx).await,
        Verb::Show(args) => show::run(args, ctx).await,
    }
}

/// The columns of customers.
pub const HEADER: [&str; 5] = ["EMAIL", "NAMESPACE", "ACCOUNT", "SUBSCRIPTION", "CREATED"];

/// A customer as a row.
pub fn row(c: &Customer) -> Vec<String> {
    vec![
        c.email.clone(),
        c.namespace.clone(),
        c.account.clone(),
        or_dash(&c.subscription_status),
        when(c.created_at),
    ]
}

/// A customer as JSON.
pub fn object(c: &Customer) -> Value {
    json!({
        "email": c.email, "namespace": c.namespace, "namespace_id": c.namespace_id, "account": c.account,
        "subscription": c.subscription, "subscription_status": c.subscription_status, "created_at": c.created_at,
    })
}
