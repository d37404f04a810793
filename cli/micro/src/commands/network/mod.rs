//! `micro network`: who makes up the network, and the ways to services (reference/micro-wire §4.12).

mod connect;
mod connections;
mod graph;
mod nodes;
mod routes;
mod services;

use std::ffi::OsString;

use clap::Subcommand;
use serde::Serialize;

use super::{help, unknown_subcommand};
use crate::{ctx::Ctx, exit::Result, table};

/// Manage the micro service network
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro network routes\n  micro network routes --service greeter\n  micro network nodes"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Connect(connect::Args),
    Connections(connections::Args),
    Graph(graph::Args),
    Nodes(nodes::Args),
    Routes(routes::Args),
    Services(services::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => help("network"),
        Some(Verb::Connect(args)) => connect::run(args, ctx).await,
        Some(Verb::Connections(args)) => connections::run(args, ctx).await,
        Some(Verb::Graph(args)) => graph::run(args, ctx).await,
        Some(Verb::Nodes(args)) => nodes::run(args, ctx).await,
        Some(Verb::Routes(args)) => routes::run(args, ctx).await,
        Some(Verb::Services(args)) => services::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(unknown_subcommand("network", &words)),
    }
}

/// A box with an empty line behind it; nothing where there is nothing.
fn print(ctx: &Ctx, header: &[&str], rows: &[Vec<String>], values: &impl Serialize) -> Result<()> {
    if ctx.out.json() {
        return ctx.out.value(values);
    }
    if !rows.is_empty() {
        ctx.out.raw(&table::boxed(header, rows));
        ctx.out.line("");
    }
    Ok(())
}
