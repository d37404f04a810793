//! `micro stats`: what services say of themselves.

use clap::ValueEnum;
use micro_error::{Error, Kind};
use micro_proto::{
    debug::StatsResponse,
    registry::{Node, Service},
};
use micro_tenancy::Metadata;
use serde_json::json;
use time::{OffsetDateTime, macros::format_description};

use super::{
    service::{home_of, is_core},
    services::{names_in, versions_of},
};
use crate::{
    ctx::{Ctx, DEFAULT_NAMESPACE},
    exit::{Exit, Failure, Result},
    remote::Session,
    span,
    table::{self, Fill},
};

/// Names the node that is to answer.
const NODE_HEADER: &str = "micro-node";

/// Query the stats of specified service(s), e.g micro stats srv1 srv2 srv3
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro stats greeter\n  micro stats --all custom\n  micro stats store --output json"
)]
pub struct Args {
    /// The services
    #[arg(required_unless_present = "all", value_name = "SERVICE")]
    services: Vec<String>,

    /// All services: the core's, or the namespace's own
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "services")]
    all: Option<All>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum All {
    /// The core's
    Builtin,
    /// The namespace's own
    Custom,
}

/// One version of a service, and each of its nodes with its figures, if it tells any.
struct Block {
    service: Service,
    nodes: Vec<(Node, Option<StatsResponse>)>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let names = match args.all {
        Some(all) => names_of(all, &session).await?,
        None => args.services,
    };
    let mut blocks = Vec::new();
    for name in &names {
        blocks.extend(blocks_of(name, &session).await?);
    }
    if ctx.out.json() {
        let rows = blocks.iter().flat_map(|Block { service, nodes }| {
            nodes.iter().map(move |(node, stats)| {
                json!({
                    "service": service.name,
                    "version": service.version,
                    "node": node.id,
                    "address": node.address,
                    "stats": stats,
                })
            })
        });
        ctx.out.value(&rows.collect::<Vec<_>>())?;
    } else {
        blocks.iter().for_each(|block| ctx.out.raw(&text(block)));
    }
    Ok(Exit::Done)
}

async fn names_of(all: All, session: &Session) -> Result<Vec<String>> {
    let (domain, core, none) = match all {
        All::Builtin => (DEFAULT_NAMESPACE, true, "no builtin service(s) found"),
        All::Custom => (session.namespace.as_str(), false, "no custom service(s) found"),
    };
    let mut names = names_in(domain, session).await?;
    names.retain(|name| is_core(name) == core);
    if names.is_empty() {
        return Err(Failure::plain(none));
    }
    Ok(names)
}

async fn blocks_of(name: &str, session: &Session) -> Result<Vec<Block>> {
    let home = home_of(name, &session.namespace);
    let mut blocks = Vec::new();
    for service in versions_of(name, &home, session).await? {
        let mut nodes = Vec::new();
        for node in &service.nodes {
            let named = Metadata::from([(NODE_HEADER.to_owned(), node.id.clone())]);
            nodes.push((node.clone(), figures(name, &home, named, session).await?));
        }
        if nodes.is_empty() {
            // The core's own: it answers where it was asked.
            let here = Node {
                id: service.name.clone(),
                address: session.env.address.clone(),
                ..Default::default()
            };
            nodes.push((here, figures(name, &home, Metadata::new(), session).await?));
        }
        blocks.push(Block { service, nodes });
    }
    Ok(blocks)
}

/// What a node says of itself: nothing where it has no such endpoint, or has just gone.
async fn figures(name: &str, home: &str, metadata: Metadata, session: &Session) -> Result<Option<StatsResponse>> {
    let caller = session.caller_in(home, metadata);
    match session.call_json(&caller, name, "Debug.Stats", "{}".into()).await {
        Ok(stats) => serde_json::from_slice(&stats)
            .map(Some)
            .map_err(|e| Failure::because("reading the statistics", e)),
        Err(e) if is_none(&e) => Ok(None),
        Err(e) => Err(session.explain(&e)),
    }
}

/// Whether a node tells no figures, or has just gone: of that one, Micro says that there is no route.
fn is_none(e: &Error) -> bool {
    let gone = e.id() == "go.micro.client" && e.message().ends_with("route not found");
    gone || matches!(e.kind(), Kind::Unimplemented | Kind::Unavailable)
}

fn text(block: &Block) -> String {
    let header = ["NODE", "ADDRESS:PORT", "STARTED", "UPTIME", "MEMORY", "THREADS", "GC"]
        .map(str::to_owned)
        .to_vec();
    let row = |(node, stats): &(Node, Option<StatsResponse>)| {
        let mut row = vec![node.id.clone(), node.address.clone()];
        match stats {
            Some(stats) => row.extend(cells(stats)),
            None => row.extend(std::iter::repeat_n("n/a".to_owned(), header.len() - row.len())),
        }
        row
    };
    let rows: Vec<_> = std::iter::once(header.clone())
        .chain(block.nodes.iter().map(row))
        .collect();
    let table = table::render(&rows, Fill::Spaces(4));
    let Service { name, version, .. } = &block.service;
    format!("SERVICE    {name}\n\nVERSION    {version}\n\n{table}\n")
}

fn cells(stats: &StatsResponse) -> [String; 5] {
    [
        started(stats.started),
        span::units(time::Duration::seconds(i64::try_from(stats.uptime).unwrap_or(0))),
        format!("{:.2}mb", stats.memory as f64 / 1_048_576.0),
        stats.threads.to_string(),
        format!("{:?}", std::time::Duration::from_nanos(stats.gc)),
    ]
}

fn started(unix: u64) -> String {
    let form = format_description!("[month repr:short] [day padding:none] [hour]:[minute]:[second]");
    let at = i64::try_from(unix)
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    at.and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_has_just_gone_is_shown_without_figures() {
        let error = |kind, id: &str, text: &str| Error::new(kind, id, text);
        for none in [
            error(Kind::Internal, "go.micro.client", "service greeter: route not found"),
            error(Kind::Unavailable, "go.micro.client", "the connection was lost"),
            error(Kind::Unimplemented, "greeter", "unknown service Debug.Stats"),
        ] {
            assert!(is_none(&none), "{none}");
        }
        assert!(!is_none(&error(Kind::Internal, "greeter", "route not found")));
        assert!(!is_none(&error(Kind::Forbidden, "go.micro.client", "no")));
    }

    #[test]
    fn a_service_is_a_block() {
        let node = Node {
            id: "greeter-1".into(),
            address: "10.0.0.1:8080".into(),
            ..Default::default()
        };
        let service = Service {
            name: "greeter".into(),
            version: "v1".into(),
            ..Default::default()
        };
        let stats = StatsResponse {
            started: 1_767_225_600,
            uptime: 90,
            memory: 1_572_864,
            threads: 3,
            gc: 1_000,
            ..Default::default()
        };
        assert_eq!(
            text(&Block {
                service,
                nodes: vec![(node.clone(), Some(stats)), (node, None)]
            }),
            "SERVICE    greeter\n\nVERSION    v1\n\n\
             NODE         ADDRESS:PORT     STARTED           UPTIME    MEMORY    THREADS    GC\n\
             greeter-1    10.0.0.1:8080    Jan 1 00:00:00    1m30s     1.50mb    3          1µs\n\
             greeter-1    10.0.0.1:8080    n/a               n/a       n/a       n/a        n/a\n\n"
        );
    }
}
