//! `micro services`: what is registered in the namespace, and what one of them offers.

use micro_error::Kind;
use micro_proto::registry::{Endpoint, GetRequest, ListRequest, Options, Registry, Service, Value};

use super::service::home_of;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
};

/// List services in the registry
///
/// With a name: its versions, nodes and endpoints, with the types of their requests and responses.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro services\n  micro services greeter\n  micro services greeter --output json")]
pub struct Args {
    /// One service, in full
    name: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    match args.name {
        Some(name) => show(&name, &session, ctx).await,
        None => list(&session, ctx).await,
    }
}

async fn list(session: &Session, ctx: &Ctx) -> Result {
    let names = names_in(&session.namespace, session).await?;
    if ctx.out.json() {
        ctx.out.value(&names)?;
    } else {
        names.iter().for_each(|name| ctx.out.line(name));
    }
    Ok(Exit::Done)
}

/// The names registered in a domain, in order.
pub async fn names_in(domain: &str, session: &Session) -> Result<Vec<String>> {
    let request = ListRequest {
        options: Some(options(domain)),
    };
    let answer = session
        .registry()
        .list_services(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    let mut names: Vec<String> = answer.services.into_iter().map(|s| s.name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Each version of a service.
pub async fn versions_of(name: &str, domain: &str, session: &Session) -> Result<Vec<Service>> {
    let request = GetRequest {
        service: name.to_owned(),
        options: Some(options(domain)),
    };
    let answer = session.registry().get_service(&session.caller(), request).await;
    let found = answer.map_err(|e| match e.kind() {
        Kind::NotFound => Failure::plain("Service not found"),
        _ => session.explain(&e),
    })?;
    Ok(found.services)
}

fn options(domain: &str) -> Options {
    Options {
        ttl: 0,
        domain: domain.to_owned(),
    }
}

async fn show(name: &str, session: &Session, ctx: &Ctx) -> Result {
    let versions = versions_of(name, &home_of(name, &session.namespace), session).await?;
    if ctx.out.json() {
        ctx.out.value(&versions)?;
    } else {
        let blocks: Vec<_> = versions.iter().map(text).collect();
        ctx.out.raw(&blocks.join("\n"));
    }
    Ok(Exit::Done)
}

fn text(service: &Service) -> String {
    let mut text = format!("NAME:\n\t{}\n\nVERSION:\n\t{}\n", service.name, service.version);
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}:\n"));
            lines.iter().for_each(|line| text.push_str(&format!("\t{line}\n")));
        }
    };
    let mut metadata: Vec<_> = service
        .metadata
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    metadata.sort();
    section("METADATA", metadata);
    let nodes = service
        .nodes
        .iter()
        .map(|node| format!("{}\t{}", node.id, node.address));
    section("NODES", nodes.collect());
    section("ENDPOINTS", service.endpoints.iter().flat_map(endpoint).collect());
    text
}

fn endpoint(endpoint: &Endpoint) -> Vec<String> {
    let streams = endpoint.metadata.get("stream").is_some_and(|stream| stream == "true");
    let mut lines = vec![format!("{}{}", endpoint.name, if streams { " (stream)" } else { "" })];
    for (title, message) in [("request", &endpoint.request), ("response", &endpoint.response)] {
        let Some(message) = message else { continue };
        describe(title, message, 1, &mut lines);
    }
    lines
}

/// One value, and in braces what it is made of.
fn describe(name: &str, value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "\t".repeat(depth);
    if value.values.is_empty() {
        lines.push(format!("{indent}{name} {}", value.r#type).trim_end().to_owned());
        return;
    }
    lines.push(format!("{indent}{name} {} {{", value.r#type));
    for field in &value.values {
        describe(&field.name, field, depth + 1, lines);
    }
    lines.push(format!("{indent}}}"));
}

#[cfg(test)]
mod tests {
    use micro_proto::registry::Node;

    use super::*;

    fn value(name: &str, kind: &str, values: Vec<Value>) -> Value {
        Value {
            name: name.into(),
            r#type: kind.into(),
            values,
        }
    }

    #[test]
    fn a_service_is_shown_with_its_types() {
        let request = value(
            "Request",
            "HelloRequest",
            vec![
                value("name", "string", vec![]),
                value("options", "Options", vec![value("loud", "bool", vec![])]),
            ],
        );
        let service = Service {
            name: "greeter".into(),
            version: "latest".into(),
            metadata: [("owner".to_owned(), "ada".to_owned())].into(),
            nodes: vec![Node {
                id: "greeter-1".into(),
                address: "10.0.0.1:8080".into(),
                ..Default::default()
            }],
            endpoints: vec![
                Endpoint {
                    name: "Greeter.Hello".into(),
                    request: Some(request),
                    response: Some(value("Response", "HelloResponse", vec![value("msg", "string", vec![])])),
                    ..Default::default()
                },
                Endpoint {
                    name: "Greeter.Count".into(),
                    request: Some(value("Empty", "Empty", vec![])),
                    metadata: [("stream".to_owned(), "true".to_owned())].into(),
                    ..Default::default()
                },
            ],
            ..Default::default()
        };
        let expected = "NAME:\n\tgreeter\n\nVERSION:\n\tlatest\n\nMETADATA:\n\towner=ada\n\n\
            NODES:\n\tgreeter-1\t10.0.0.1:8080\n\n\
            ENDPOINTS:\n\
            \tGreeter.Hello\n\
            \t\trequest HelloRequest {\n\t\t\tname string\n\t\t\toptions Options {\n\t\t\t\tloud bool\n\t\t\t}\n\t\t}\n\
            \t\tresponse HelloResponse {\n\t\t\tmsg string\n\t\t}\n\
            \tGreeter.Count (stream)\n\t\trequest Empty\n";
        assert_eq!(text(&service), expected);
    }

    #[test]
    fn what_a_service_does_not_say_is_left_out() {
        let bare = Service {
            name: "bare".into(),
            ..Default::default()
        };
        assert_eq!(text(&bare), "NAME:\n\tbare\n\nVERSION:\n\t\n");
    }
}
