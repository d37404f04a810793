//! Any other word: a service of the person's, found in the registry and called with flags that its own schema
//! names (reference/micro-wire §4.6).

use std::{
    ffi::{OsStr, OsString},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
};

use clap::CommandFactory;
use futures::StreamExt;
use micro_error::Kind;
use micro_proto::registry::{Endpoint, GetRequest, Options, Registry, Service};
use micro_tenancy::Metadata;

use super::call;
use crate::{
    args::Cli,
    ctx::{Ctx, DEFAULT_NAMESPACE},
    exit::{Exit, Failure, Result},
    remote::Session,
    schema,
};

/// Services of the platform itself: they answer in every namespace.
const CORE: [&str; 11] = [
    "network", "runtime", "registry", "config", "store", "broker", "router", "auth", "proxy", "api", "events",
];
/// Commands of Micro's that there are not here, and what there is instead.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "gen",
        "Services describe themselves: there is nothing to generate. `micro new NAME` begins one.",
    ),
    (
        "init",
        "Profiles are configuration here, not programs. See `micro server --help`.",
    ),
    (
        "service",
        "The core services run together in one process, `micro server`. Run one of your own with `micro run FOLDER`.",
    ),
];

/// Runs it: a program `micro-WORD` on the path, or the service of that name.
pub fn run(words: Vec<OsString>, ctx: &Ctx) -> Result {
    let Some((first, rest)) = words.split_first() else {
        return Err(Failure::plain(
            "No command provided to micro. Please refer to 'micro --help'",
        ));
    };
    if let Some(program) = find_program(first) {
        let failed = std::process::Command::new(&program).args(rest).exec();
        return Err(Failure::because(format!("running {}", program.display()), failed));
    }
    let texts = |words: &[OsString]| {
        words
            .iter()
            .map(|w| w.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    };
    let name = first.to_string_lossy().into_owned();
    if cfg!(not(feature = "server")) && name == "server" {
        return Err(Failure::plain(
            "This `micro` is the command line alone: install the one with the server in it.",
        ));
    }
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(word, _)| *word == name) {
        return Err(Failure::plain(format!("There is no `micro {name}`. {instead}")));
    }
    super::block_on(call_service(&name, texts(rest), ctx))
}

/// Whether it is a service of the platform's own.
pub fn is_core(service: &str) -> bool {
    CORE.contains(&service)
}

/// The namespace in which a service is called: the platform's own for its services.
pub fn home_of(service: &str, namespace: &str) -> String {
    let home = if is_core(service) { DEFAULT_NAMESPACE } else { namespace };
    home.into()
}

async fn call_service(name: &str, args: Vec<String>, ctx: &Ctx) -> Result {
    let session = ctx.session().await?;
    let (home, service) = find_service(name, &session).await?;
    if let Some(at) = args.iter().position(|a| a == "--help" || a == "-h") {
        let words: Vec<String> = args[..at].iter().take_while(|a| !a.starts_with('-')).cloned().collect();
        ctx.out.ask(&help(&service, &words)?);
        return Ok(Exit::Done);
    }
    let (words, flags) = schema::split(&args)?;
    let endpoint = schema::endpoint_name(&service.name, &words)
        .and_then(|endpoint| schema::find_endpoint(&service, &endpoint))
        .map_err(|e| e.next(format!("`micro {name} --help` lists what there is.")))?;
    let body = schema::request(endpoint, &flags)
        .map_err(|e| e.next(format!("`micro {} --help` lists its flags.", said(name, &words))))?
        .to_string();
    let caller = session.caller_in(&home, Metadata::new());
    if endpoint.metadata.get("stream").is_some_and(|s| s == "true") {
        let answers = session.stream_json(&caller, &service.name, &endpoint.name, body).await;
        let mut answers = answers.map_err(|e| session.explain(&e))?;
        while let Some(answer) = answers.next().await {
            call::print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
        }
    } else {
        let answer = session.call_json(&caller, &service.name, &endpoint.name, body).await;
        call::print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
    }
    Ok(Exit::Done)
}

/// The service, and the namespace it was found in: the person's own, then the one that is everybody's.
async fn find_service(name: &str, session: &Session) -> Result<(String, Service)> {
    let own = home_of(name, &session.namespace);
    let homes = [own.clone(), DEFAULT_NAMESPACE.into()];
    for home in &homes[..if own == DEFAULT_NAMESPACE { 1 } else { 2 }] {
        let options = Some(Options {
            ttl: 0,
            domain: home.clone(),
        });
        let request = GetRequest {
            service: name.into(),
            options,
        };
        match session.registry().get_service(&session.caller(), request).await {
            Ok(answer) => {
                if let Some(first) = answer.services.into_iter().next() {
                    return Ok((home.clone(), first));
                }
            }
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Forbidden) => {}
            Err(e) => return Err(session.explain(&e)),
        }
    }
    let meant = meant(name).map_or_else(String::new, |words| format!("\nDid you mean {words}?"));
    Err(Failure::plain(format!(
        "Unrecognized micro command: {name}. Please refer to 'micro --help'{meant}"
    )))
}

/// The commands that a word is nearly.
fn meant(word: &str) -> Option<String> {
    let cli = Cli::command();
    let names = cli.get_subcommands().map(|command| command.get_name().to_owned());
    let near = names.map(|name| (distance(word, &name), name));
    let near: Vec<_> = near.filter(|(far, name)| *far <= 1 + name.len() / 5).collect();
    let nearest = near.iter().map(|(far, _)| *far).min()?;
    let names = near.into_iter().filter(|(far, _)| *far == nearest);
    Some(
        names
            .map(|(_, name)| format!("`micro {name}`"))
            .collect::<Vec<_>>()
            .join(" or "),
    )
}

/// How many letters are to be changed, added, left out or swapped with the next, to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(letter != other))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The words of a command, but for its flags.
fn said(name: &str, words: &[String]) -> String {
    std::iter::once(name)
        .chain(words.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

fn help(service: &Service, words: &[String]) -> Result<String> {
    if words.is_empty() {
        let mut commands: Vec<_> = service.endpoints.iter().map(|e| command(service, e)).collect();
        commands.sort();
        let commands: String = commands.iter().map(|c| format!("\t{c}\n")).collect();
        let (name, version) = (&service.name, &service.version);
        return Ok(format!(
            "NAME:\n\tmicro {name}\n\nVERSION:\n\t{version}\n\nUSAGE:\n\tmicro {name} [command]\n\nCOMMANDS:\n{commands}"
        ));
    }
    let endpoint = schema::find_endpoint(service, &schema::endpoint_name(&service.name, words)?)?;
    let name = format!("micro {} {}", service.name, words.join(" "));
    let flags: String = schema::flags(endpoint)
        .iter()
        .map(|(flag, kind)| format!("\t--{flag} {kind}\n"))
        .collect();
    Ok(format!(
        "NAME:\n\t{name}\n\nUSAGE:\n\t{name} [flags]\n\nFLAGS:\n{flags}"
    ))
}

/// An endpoint as the words that call it: `Greeter.SayHello` of service `greeter` is `sayHello`.
fn command(service: &Service, endpoint: &Endpoint) -> String {
    let lower = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .map(|c| c.to_lowercase().chain(chars).collect::<String>())
            .unwrap_or_default()
    };
    let name = endpoint.name.split('.').map(lower).collect::<Vec<_>>().join(".");
    let own = format!("{}.", service.name);
    name.strip_prefix(&own)
        .map(str::to_owned)
        .unwrap_or_else(|| name.replacen('.', " ", 1))
}

/// `micro-WORD`, if it is on the path.
fn find_program(word: &OsStr) -> Option<PathBuf> {
    let word = word.to_str().filter(|w| !w.contains('/'))?;
    let runs = |p: &PathBuf| {
        p.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(format!("micro-{word}")))
        .find(runs)
}

#[cfg(test)]
mod tests {
    use micro_proto::registry::Value;

    use super::*;

    fn service() -> Service {
        let field = |name: &str, kind: &str, values| Value {
            name: name.into(),
            r#type: kind.into(),
            values,
        };
        let endpoint = |name: &str, fields| Endpoint {
            name: name.into(),
            request: Some(field("R", "R", fields)),
            ..Default::default()
        };
        Service {
            name: "helloworld".into(),
            version: "latest".into(),
            endpoints: vec![
                endpoint("Helloworld.Stream", vec![field("count", "int64", vec![])]),
                endpoint(
                    "Helloworld.Call",
                    vec![
                        field("name", "string", vec![]),
                        field("options", "Options", vec![field("ttl", "int64", vec![])]),
                    ],
                ),
                endpoint("Other.DoIt", vec![]),
            ],
            ..Default::default()
        }
    }

    #[test]
    fn help_is_micros_to_the_byte() {
        assert_eq!(
            help(&service(), &[]).as_deref(),
            Ok(
                "NAME:\n\tmicro helloworld\n\nVERSION:\n\tlatest\n\nUSAGE:\n\tmicro helloworld [command]\n\nCOMMANDS:\n\tcall\n\tother doIt\n\tstream\n"
            )
        );
        assert_eq!(
            help(&service(), &["call".into()]).as_deref(),
            Ok(
                "NAME:\n\tmicro helloworld call\n\nUSAGE:\n\tmicro helloworld call [flags]\n\nFLAGS:\n\t--name string\n\t--options_ttl int64\n"
            )
        );
        assert!(help(&service(), &["nope".into()]).is_err());
    }

    #[test]
    fn a_word_that_is_nearly_a_command_is_told_so() {
        assert_eq!(meant("servcies").as_deref(), Some("`micro services`"));
        assert_eq!(meant("staus").as_deref(), Some("`micro stats` or `micro status`"));
        assert_eq!(meant("rnu").as_deref(), Some("`micro run`"));
        assert_eq!(meant("greeter"), None);
        assert_eq!(meant("helloworld"), None);
    }

    #[test]
    fn each_command_shows_its_own_flags() {
        let shown = help(&service(), &["stream".into()]).expect("known");
        assert!(shown.ends_with("FLAGS:\n\t--count int64\n"), "{shown}");
    }
}
