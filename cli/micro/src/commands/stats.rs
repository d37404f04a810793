//! `micro stats`: what services say of themselves.

use micro_error::Kind;
use micro_proto::{
    debug::StatsResponse,
    registry::{GetRequest, Options, Registry, Service},
};
use micro_tenancy::Metadata;
use time::{OffsetDateTime, macros::format_description};

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
    span,
    table::{self, Fill},
};

/// Query the stats of specified service(s), e.g micro stats srv1 srv2 srv3
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = "Example:\n  micro stats greeter")]
pub struct Args {
    /// The services
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.session().await?;
    let mut found = Vec::new();
    for name in &args.services {
        found.extend(one(name, &session).await?);
    }
    if found.is_empty() {
        return Err(Failure::plain("Service not found"));
    }
    if ctx.out.json() {
        let rows = found.iter().map(
            |(service, stats)| serde_json::json!({"service": service.name, "version": service.version, "stats": stats}),
        );
        ctx.out.value(&rows.collect::<Vec<_>>())?;
    } else {
        found
            .iter()
            .for_each(|(service, stats)| ctx.out.raw(&text(service, stats)));
    }
    Ok(Exit::Done)
}

/// Each version of a service with the statistics of whichever instance answers: the proxy chooses it.
async fn one(name: &str, session: &Session) -> Result<Vec<(Service, StatsResponse)>> {
    let home = super::service::home_of(name, &session.namespace);
    let options = Some(Options {
        ttl: 0,
        domain: home.clone(),
    });
    let request = GetRequest {
        service: name.to_owned(),
        options,
    };
    let answer = session
        .registry()
        .get_service(&session.caller(), request)
        .await
        .map_err(|e| match e.kind() {
            Kind::NotFound => Failure::plain("Service not found"),
            _ => session.explain(&e),
        })?;
    let caller = session.caller_in(&home, Metadata::new());
    let mut found = Vec::new();
    for service in answer.services {
        let stats = session
            .call_json(&caller, name, "Debug.Stats", "{}".into())
            .await
            .map_err(|e| session.explain(&e))?;
        let stats = serde_json::from_slice(&stats).map_err(|e| Failure::because("reading the statistics", e))?;
        found.push((service, stats));
    }
    Ok(found)
}

fn text(service: &Service, stats: &StatsResponse) -> String {
    let header = ["NODE", "ADDRESS:PORT", "STARTED", "UPTIME", "MEMORY", "THREADS", "GC"]
        .map(str::to_owned)
        .to_vec();
    let row = |node: &micro_proto::registry::Node| {
        vec![
            node.id.clone(),
            node.address.clone(),
            started(stats.started),
            span::units(time::Duration::seconds(i64::try_from(stats.uptime).unwrap_or(0))),
            format!("{:.2}mb", stats.memory as f64 / 1_048_576.0),
            stats.threads.to_string(),
            format!("{:?}", std::time::Duration::from_nanos(stats.gc)),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(service.nodes.iter().map(row)).collect();
    let table = table::render(&rows, Fill::Spaces(4));
    format!(
        "SERVICE    {}\n\nVERSION    {}\n\n{table}\n",
        service.name, service.version
    )
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
    use micro_proto::registry::Node;

    use super::*;

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
            nodes: vec![node],
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
            text(&service, &stats),
            "SERVICE    greeter\n\nVERSION    v1\n\n\
             NODE         ADDRESS:PORT     STARTED           UPTIME    MEMORY    THREADS    GC\n\
             greeter-1    10.0.0.1:8080    Jan 1 00:00:00    1m30s     1.50mb    3          1µs\n\n"
        );
    }
}
