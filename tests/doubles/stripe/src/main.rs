//! `stripe-double`: runs the stand-in until it is interrupted, and says on one line where it listens.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Parser;
use micro_clock::SystemClock;
use stripe_double::{Double, Options};

/// A stand-in for Stripe's API, its hosted page and its webhooks. For tests and for trying things out: no money moves.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address browsers reach it under, if that differs from where it listens.
    #[arg(long)]
    public_url: Option<String>,
    /// Keep state in this file; without it, state dies with the process.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Send events to this address.
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook: Option<String>,
    /// What events sent there are signed with (`whsec_…`).
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Option<String>,
    /// The id of the price of $35 a month, made if it is not there.
    #[arg(long, value_name = "ID")]
    price: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    let args = Args::parse();
    let double = Double::start(Options {
        listen: args.listen,
        public_url: args.public_url,
        state: args.state,
        webhook: args.webhook.zip(args.webhook_secret),
        price: args.price,
        ..Options::new(Arc::new(SystemClock))
    })
    .await?;
    println!("{}", serde_json::json!({ "address": double.url() }));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    double.stop().await;
    Ok(())
}
