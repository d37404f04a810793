//! `micro kill`: stops a service and forgets it.

use micro_proto::runtime::{DeleteOptions, DeleteRequest, ReadOptions, ReadRequest, Resource, Runtime, Service};

use super::status;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
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
    let typed = args.source.as_str();
    let service = match is_name(typed) {
        true => named(typed, &session).await?,
        false => run_from(typed, ctx, &session)
            .await?
            .unwrap_or_else(|| exactly(typed, "latest")),
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
        .map_err(|e| status::or_absent(session.explain(&e), "`micro status` lists what runs."))?;
    if ctx.out.json() {
        ctx.out
            .value(&serde_json::json!({"name": name, "version": version, "killed": true}))?;
    }
    Ok(Exit::Done)
}

fn is_name(typed: &str) -> bool {
    !typed.contains('/') && typed != "." && typed != ".."
}

fn exactly(name: &str, version: &str) -> Service {
    Service {
        name: name.into(),
        version: version.into(),
        ..Default::default()
    }
}

/// The service of that name: the version named, or the latest, or the only one.
async fn named(typed: &str, session: &Session) -> Result<Service> {
    let (name, version) = source::split_reference(typed);
    if let Some(version) = version {
        return Ok(exactly(name, version));
    }
    let versions: Vec<String> = read(session, name)
        .await?
        .into_iter()
        .filter(|s| s.name == name)
        .map(|s| s.version)
        .collect();
    match versions.as_slice() {
        [only] => Ok(exactly(name, only)),
        many if many.is_empty() || many.iter().any(|v| v == "latest") => Ok(exactly(name, "latest")),
        many => Err(Failure::plain(format!(
            "several versions of {name} are there: say which, {name}@{}",
            many.join(&format!(" or {name}@"))
        ))),
    }
}

async fn read(session: &Session, name: &str) -> Result<Vec<Service>> {
    let options = ReadOptions {
        service: name.into(),
        namespace: session.namespace.clone(),
        ..Default::default()
    };
    let request = ReadRequest { options: Some(options) };
    let answer = session
        .runtime()
        .read(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    Ok(answer.services)
}

/// The service that was run from a folder or an address.
async fn run_from(typed: &str, ctx: &Ctx, session: &Session) -> Result<Option<Service>> {
    let source = Source::parse(typed, &session.env, &ctx.config()?)?;
    let (_, version) = source::split_reference(typed);
    let shown = source.shown();
    let found = read(session, "").await?.into_iter().find(|s| {
        let from = s.metadata.get("source").unwrap_or(&s.source);
        (*from == shown || source::split_reference(from).0 == shown) && version.is_none_or(|v| v == s.version)
    });
    Ok(found.map(|s| exactly(&s.name, &s.version)))
}
