//! `micro kill`: stops a service and forgets it.

use micro_proto::runtime::{DeleteOptions, DeleteRequest, ReadOptions, ReadRequest, Resource, Runtime, Service};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
    remote::Session,
    source::{self, Source},
};

/// Kill a service: micro kill [source]
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro kill greeter\n  micro kill greeter@v1\n  micro kill ./greeter\n  micro kill github.com/ada/greeter"
)]
pub struct Args {
    /// A name, NAME@VERSION, or the folder or address it was run from
    source: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let service = match is_name(&args.source) {
        true => named(&args.source),
        false => match run_from(&args.source, ctx, &session).await? {
            Some(found) => found,
            None => named(&args.source),
        },
    };
    let (name, version) = (service.name.clone(), service.version.clone());
    let request = DeleteRequest {
        resource: Some(Resource {
            service: Some(service),
            ..Default::default()
        }),
        options: Some(DeleteOptions {
            namespace: session.namespace.clone(),
        }),
    };
    session
        .runtime()
        .delete(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    if ctx.out.json() {
        ctx.out
            .value(&serde_json::json!({"name": name, "version": version, "killed": true}))?;
    }
    Ok(Exit::Done)
}

fn is_name(typed: &str) -> bool {
    !typed.contains('/') && typed != "." && typed != ".."
}

fn named(typed: &str) -> Service {
    let (name, version) = source::split_reference(typed);
    Service {
        name: name.into(),
        version: version.unwrap_or("latest").into(),
        ..Default::default()
    }
}

/// The service that was run from a folder or an address.
async fn run_from(typed: &str, ctx: &Ctx, session: &Session) -> Result<Option<Service>> {
    let source = Source::parse(typed, &session.env, &ctx.config()?)?;
    let (_, version) = source::split_reference(typed);
    let options = ReadOptions {
        namespace: session.namespace.clone(),
        ..Default::default()
    };
    let request = ReadRequest { options: Some(options) };
    let answer = session
        .runtime()
        .read(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    let shown = source.shown();
    let found = answer.services.into_iter().find(|s| {
        let from = s.metadata.get("source").unwrap_or(&s.source);
        source::split_reference(from).0 == shown && version.is_none_or(|v| v == s.version)
    });
    Ok(found.map(|s| Service {
        name: s.name,
        version: s.version,
        ..Default::default()
    }))
}
