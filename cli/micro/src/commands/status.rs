//! `micro status`: what runs, or should.

use std::collections::BTreeMap;

use micro_proto::runtime::{ReadOptions, ReadRequest, Runtime, Service};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    span,
    table::{self, Fill},
};

/// Get the status of services
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro status\n  micro status greeter")]
pub struct Args {
    /// Only this service
    name: Option<String>,
    /// Only this version of it
    version: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let options = ReadOptions {
        service: args.name.unwrap_or_default(),
        version: args.version.unwrap_or_default(),
        namespace: session.namespace.clone(),
        ..Default::default()
    };
    let request = ReadRequest { options: Some(options) };
    let answer = session
        .runtime()
        .read(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    let mut services = answer.services;
    services.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    if ctx.out.json() {
        ctx.out.value(&services.iter().map(as_json).collect::<Vec<_>>())?;
    } else if !services.is_empty() {
        ctx.out.raw(&text(&services, ctx.now()));
    }
    Ok(Exit::Done)
}

/// What the runtime refused, with what to do next if it was that there is no such service: Micro says no more of that.
pub fn or_absent(failure: Failure, next: &str) -> Failure {
    match failure.message.as_str() {
        "not found" => failure.next(next),
        _ => failure,
    }
}

/// A status as its word (reference/micro-wire §6.7).
pub fn word(status: i32) -> &'static str {
    match status {
        1 => "pending",
        2 => "building",
        3 => "starting",
        4 => "running",
        5 => "stopping",
        6 => "stopped",
        7 => "error",
        _ => "unknown",
    }
}

fn text(services: &[Service], now: OffsetDateTime) -> String {
    let header = ["NAME", "VERSION", "SOURCE", "STATUS", "BUILD", "UPDATED", "METADATA"]
        .map(str::to_owned)
        .to_vec();
    let row = |service: &Service| {
        let meta = |key: &str| service.metadata.get(key).map(String::as_str).filter(|v| !v.is_empty());
        let status = word(service.status);
        let mut notes = format!(
            "owner={}, group={}",
            meta("owner").unwrap_or("n/a"),
            meta("group").unwrap_or("n/a")
        );
        if status == "error" {
            notes.push_str(&format!(", error={}", one_line(meta("error").unwrap_or_default())));
        }
        vec![
            service.name.clone(),
            service.version.clone(),
            meta("source").unwrap_or(&service.source).to_owned(),
            status.to_owned(),
            meta("build").map_or_else(|| "n/a".into(), |build| build.chars().take(7).collect()),
            span::ago(meta("started"), now),
            notes,
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(services.iter().map(row)).collect();
    table::render(&rows, Fill::Tabs)
}

/// An error may be a compiler's page; a table's row is one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn as_json(service: &Service) -> serde_json::Value {
    let metadata: BTreeMap<_, _> = service.metadata.iter().collect();
    json!({
        "name": service.name,
        "version": service.version,
        "source": service.metadata.get("source").unwrap_or(&service.source),
        "status": word(service.status),
        "metadata": metadata,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn service(status: i32, metadata: &[(&str, &str)]) -> Service {
        Service {
            name: "helloworld".into(),
            version: "latest".into(),
            source: "source://helloworld:latest".into(),
            metadata: metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            status,
        }
    }

    #[test]
    fn the_table_is_micros_to_the_byte() {
        let now = datetime!(2026-01-01 00:01:43 UTC);
        let metadata = [
            ("source", "test/services/helloworld"),
            ("owner", "admin"),
            ("group", "micro"),
            ("started", "2026-01-01T00:00:00Z"),
        ];
        assert_eq!(
            text(&[service(4, &metadata)], now),
            "NAME\t\tVERSION\tSOURCE\t\t\t\tSTATUS\tBUILD\tUPDATED\t\tMETADATA\n\
             helloworld\tlatest\ttest/services/helloworld\trunning\tn/a\t1m43s ago\towner=admin, group=micro\n"
        );
    }

    #[test]
    fn an_error_says_why_on_one_line() {
        let shown = text(
            &[service(
                7,
                &[("error", "Error building service: a\n  b"), ("build", "0123456789")],
            )],
            datetime!(2026-01-01 0:00 UTC),
        );
        let last = shown.lines().last().expect("a row");
        assert!(
            last.ends_with("error\t0123456\tunknown\towner=n/a, group=n/a, error=Error building service: a b"),
            "{last}"
        );
    }
}
