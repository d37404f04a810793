//! `micro update`: new source for a running service. The old one serves until the new one is healthy.

use micro_proto::runtime::{ReadOptions, ReadRequest, Resource, Runtime, Service, UpdateOptions, UpdateRequest};

use super::{
    run::{Flags, deliver, entrypoint, wait},
    status,
};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
    source::{self, Source},
};

/// Update a service: micro update [source]
///
/// SOURCE is a folder, a git address, or the name of a running service, which is then taken from where it came.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro update ./greeter\n  micro update greeter\n  micro update greeter@v2"
)]
pub struct Args {
    /// A folder, a git address, or a running service's name
    #[arg(value_name = "SOURCE", required_unless_present = "from")]
    typed: Option<String>,

    /// Do not wait for it to run
    #[arg(short, long)]
    detach: bool,

    #[command(flatten)]
    flags: Flags,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?.within(super::run::PATIENCE);
    let typed = args.typed.or_else(|| args.flags.source.clone()).unwrap_or_default();
    let (running, source) = what(&typed, &session, ctx).await?;
    let name = match args.flags.name.or_else(|| running.as_ref().map(|s| s.name.clone())) {
        Some(name) => name,
        None => source.name()?,
    };
    let mut service = deliver(&name, &source, &session, ctx).await?;
    if let Some(running) = running {
        service.version = running.version;
    }
    let request = UpdateRequest {
        resource: Some(Resource {
            service: Some(service.clone()),
            ..Default::default()
        }),
        options: Some(UpdateOptions {
            namespace: session.namespace.clone(),
            entrypoint: entrypoint(&source),
        }),
    };
    session
        .runtime()
        .update(&session.caller(), request)
        .await
        .map_err(|e| {
            let next =
                format!("Nothing called {name} runs yet: `micro run` starts it. `micro status` lists what runs.");
            status::or_absent(session.explain(&e), &next)
        })?;
    if args.detach {
        Ok(Exit::Done)
    } else {
        wait(&service, &session, ctx).await
    }
}

/// What is meant: a running service of that name with the source it came from, or a source.
async fn what(typed: &str, session: &Session, ctx: &Ctx) -> Result<(Option<Service>, Source)> {
    let config = ctx.config()?;
    let (name, version) = source::split_reference(typed);
    if std::path::Path::new(typed).is_dir() || name.contains('/') {
        return Ok((None, Source::parse(typed, &session.env, &config)?));
    }
    let options = ReadOptions {
        service: name.to_owned(),
        namespace: session.namespace.clone(),
        ..Default::default()
    };
    let request = ReadRequest { options: Some(options) };
    let answer = session
        .runtime()
        .read(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    let same = |s: &Service| s.name == name && version.is_none_or(|v| v == s.version);
    let Some(running) = answer.services.into_iter().find(same) else {
        return Ok((None, Source::parse(typed, &session.env, &config)?));
    };
    let from = running
        .metadata
        .get("source")
        .cloned()
        .unwrap_or_else(|| running.source.clone());
    if from.starts_with('/') && !std::path::Path::new(&from).is_dir() {
        return Err(Failure::plain(format!(
            "the source of {name} is {from}, which is not on this machine: pass its folder"
        )));
    }
    let reference = if from.starts_with('/') {
        String::new()
    } else {
        format!("@{}", running.version)
    };
    let source = Source::parse(&format!("{from}{reference}"), &session.env, &config)?;
    Ok((Some(running), source))
}
