//! `micro run`: source in, a running service out.

use std::time::Duration;

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_proto::runtime::{
    CreateOptions, CreateRequest, ReadOptions, ReleaseEvent, Releases, Resource, Runtime, Service, WatchRequest,
};
use serde_json::json;

use super::status;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
    source::Source,
    upload::Folder,
};

/// How often, and after what pause, a lost connection is taken up again.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// Creating answers once the request is stored; unpacking a big upload may come first.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Run a service: micro run [source]
///
/// SOURCE is a folder, or a git address with an optional @branch, @tag or @commit. The command waits until the
/// service runs, shows its build, and fails if that fails.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro run .\n  micro run ./greeter --env_vars LOG=debug,TONE=loud\n  micro run github.com/micro/services/helloworld@v1 --name hello"
)]
pub struct Args {
    /// A folder or a git address
    #[arg(value_name = "SOURCE", required_unless_present_any = ["from", "image"])]
    typed: Option<String>,

    /// Do not wait for it to run
    #[arg(short, long)]
    detach: bool,

    #[command(flatten)]
    flags: Flags,
}

/// What `run` and `update` share.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// What to call the service; the folder's name unless given
    #[arg(long)]
    pub name: Option<String>,

    /// The source, as a flag
    #[arg(id = "from", long = "source", value_name = "SOURCE")]
    pub source: Option<String>,

    /// A container image to run (Kubernetes)
    #[arg(long)]
    pub image: Option<String>,

    /// The command that starts it, instead of the detected one
    #[arg(long, allow_hyphen_values = true)]
    pub command: Option<String>,

    /// Arguments of that command
    #[arg(long, allow_hyphen_values = true)]
    pub args: Option<String>,

    /// What kind of service it is
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,

    /// Environment of the service: KEY=VALUE, several with commas; may be repeated
    #[arg(long = "env_vars", alias = "env-vars", value_name = "KEY=VALUE")]
    pub env_vars: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?.within(PATIENCE);
    let flags = args.flags;
    let typed = args
        .typed
        .or_else(|| flags.source.clone())
        .or_else(|| flags.image.clone())
        .unwrap_or_default();
    let source = Source::parse(&typed, &session.env, &ctx.config()?)?;
    let name = flags.name.clone().map_or_else(|| source.name(), Ok)?;
    let options = create_options(&flags, &source, &session, ctx)?;
    let service = deliver(&name, &source, &session, ctx).await?;
    let request = CreateRequest {
        resource: Some(Resource {
            service: Some(service.clone()),
            ..Default::default()
        }),
        options: Some(options),
    };
    session
        .runtime()
        .create(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    if args.detach {
        report(&service, "pending", ctx)
    } else {
        wait(&service, &session, ctx).await
    }
}

/// The service as the server takes it: a folder is uploaded first.
pub async fn deliver(name: &str, source: &Source, session: &Session, ctx: &Ctx) -> Result<Service> {
    let mut service = Service {
        name: name.to_owned(),
        version: source.version().to_owned(),
        source: source.address(),
        metadata: [("source".to_owned(), source.shown())].into_iter().collect(),
        status: 0,
    };
    if let Source::Local { root, .. } = source {
        let folder = Folder::read(root)?;
        let (files, bytes) = folder.size();
        if files == 0 {
            return Err(Failure::plain(format!("there is nothing to run in {}", root.display())));
        }
        ctx.out.talk(format!(
            "Uploading {name} ({files} {}, {} kB)",
            if files == 1 { "file" } else { "files" },
            bytes.div_ceil(1_000)
        ));
        service.source = folder.send(session, service.clone()).await?;
    }
    Ok(service)
}

/// The way from what was uploaded to the service.
pub fn entrypoint(source: &Source) -> String {
    match source {
        Source::Local { entrypoint, .. } => entrypoint.clone(),
        Source::Git { .. } => String::new(),
    }
}

fn create_options(flags: &Flags, source: &Source, session: &Session, ctx: &Ctx) -> Result<CreateOptions> {
    let words = |text: &Option<String>| text.iter().flat_map(|t| t.split(' ')).map(str::to_owned).collect();
    let env: Vec<String> = flags
        .env_vars
        .iter()
        .flat_map(|v| v.split(','))
        .map(str::to_owned)
        .collect();
    if let Some(wrong) = env
        .iter()
        .find(|pair| pair.split_once('=').is_none_or(|(key, _)| key.is_empty()))
    {
        return Err(Failure::plain(format!(
            "invalid --env_vars {wrong:?}: expected KEY=VALUE"
        )));
    }
    let credentials = source
        .credentials(ctx)?
        .map(|token| ("GIT_CREDENTIALS".to_owned(), token));
    Ok(CreateOptions {
        command: words(&flags.command),
        args: words(&flags.args),
        env,
        r#type: flags.kind.clone().unwrap_or_default(),
        image: flags.image.clone().unwrap_or_default(),
        namespace: session.namespace.clone(),
        secrets: credentials.into_iter().collect(),
        entrypoint: entrypoint(source),
        ..Default::default()
    })
}

/// Waits until the latest release runs, showing on stderr what its build says.
pub async fn wait(service: &Service, session: &Session, ctx: &Ctx) -> Result {
    let options = ReadOptions {
        namespace: session.namespace.clone(),
        ..Default::default()
    };
    let request = WatchRequest {
        service: service.name.clone(),
        version: service.version.clone(),
        options: Some(options),
    };
    let mut progress = Progress::default();
    for _ in 0..TRIES {
        match watch(&request, session, &mut progress, ctx).await {
            Ok(Some(Ended::Running)) => return report(service, "running", ctx),
            Ok(Some(Ended::Failed(why))) => return Err(failed(service, why)),
            Ok(None) => {}
            // A server of Micro's own keeps no releases: there is nothing to wait for.
            Err(e) if e.kind() == Kind::Unimplemented || e.message().contains("unknown service") => {
                return report(service, "pending", ctx);
            }
            Err(e) if e.kind() == Kind::Unavailable => {}
            Err(e) => return Err(session.explain(&e)),
        }
        progress.start_over();
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new(
        Exit::NotReached,
        format!("Lost sight of {}. See `micro status {0}`.", service.name),
    ))
}

/// Why it does not run, and where more of that is. What was shown already is not said again.
fn failed(service: &Service, why: String) -> Failure {
    let more = format!("`micro logs {}` has all that was said.", service.name);
    match why.is_empty() {
        true => Failure::new(Exit::Failed, more),
        false => Failure::new(Exit::Failed, why).next(more),
    }
}

enum Ended {
    Running,
    Failed(String),
}

async fn watch(
    request: &WatchRequest,
    session: &Session,
    progress: &mut Progress,
    ctx: &Ctx,
) -> std::result::Result<Option<Ended>, Error> {
    let mut events = session.releases().watch(&session.caller(), request.clone()).await?;
    while let Some(event) = events.next().await {
        let event = event?;
        if let Some(line) = progress.news(&event) {
            ctx.out.talk(line);
        }
        match status::word(event.status) {
            "running" => return Ok(Some(Ended::Running)),
            "error" => return Ok(Some(Ended::Failed(progress.unsaid(reason(&event))))),
            "stopped" => return Ok(Some(Ended::Failed(format!("{} was stopped", request.service)))),
            _ => {}
        }
    }
    Ok(None)
}

fn reason(event: &ReleaseEvent) -> String {
    match event.error.is_empty() {
        true => "It failed and gave no reason.".into(),
        false => event.error.clone(),
    }
}

/// Which events were shown. The server tells them from the beginning each time it is asked.
#[derive(Default)]
struct Progress {
    shown: usize,
    told: usize,
    status: i32,
    last: String,
}

impl Progress {
    fn start_over(&mut self) {
        self.told = 0;
    }

    /// The reason, unless the build's last line was the same.
    fn unsaid(&self, reason: String) -> String {
        if self.last == reason { String::new() } else { reason }
    }

    /// What to show of an event: a line of the build, or a status it has not had yet.
    fn news(&mut self, event: &ReleaseEvent) -> Option<String> {
        self.told += 1;
        if self.told <= self.shown {
            return None;
        }
        self.shown = self.told;
        if !event.line.is_empty() {
            self.last.clone_from(&event.line);
            return Some(event.line.clone());
        }
        let news = event.status != self.status;
        self.status = event.status;
        match status::word(event.status) {
            "building" if news => Some("Building".into()),
            "starting" if news => Some("Starting".into()),
            _ => None,
        }
    }
}

fn report(service: &Service, status: &str, ctx: &Ctx) -> Result {
    if ctx.out.json() {
        ctx.out
            .value(&json!({"name": service.name, "version": service.version, "status": status}))?;
    } else if status == "running" {
        ctx.out.talk(format!("{} is running", service.name));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_taken_up_again_shows_only_what_is_new() {
        let line = |line: &str| ReleaseEvent {
            status: 2,
            line: line.into(),
            ..Default::default()
        };
        let status = |status| ReleaseEvent {
            status,
            ..Default::default()
        };
        let mut progress = Progress::default();
        let first: Vec<_> = [status(1), status(2), line("a")]
            .iter()
            .map(|e| progress.news(e))
            .collect();
        assert_eq!(first, [None, Some("Building".into()), Some("a".into())]);
        progress.start_over();
        let again: Vec<_> = [status(1), status(2), line("a"), line("b"), status(3)]
            .iter()
            .map(|e| progress.news(e))
            .collect();
        assert_eq!(again, [None, None, None, Some("b".into()), Some("Starting".into())]);
    }
}
