//! Fetching from a git host with the installed `git`, in the build sandbox, with nothing of ours in its environment and
//! nothing but http allowed. What comes out is a tar, unpacked with the same care as an upload.

use std::{fs::File, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::address::GitAddress;
use crate::{
    artifact::Beneath,
    build::{Builder, Job, Sandboxed, blocking},
    failure::{Failure, Stage},
    layout::fresh_dir,
};

/// Where git finds the folder it may write to.
const OUT: &str = "/out";

/// Bare, so that nothing is checked out: no hooks, no filters, no submodules, no links on our disk. Arguments: folder,
/// address, ref or nothing. A commit that the host does not hand out by itself is looked for in all it has.
const SCRIPT: &str = r#"
set -eu
out=$1 url=$2 ref=$3
git init -q --bare "$out/repo"
cd "$out/repo"
try() { git fetch -q --no-tags --depth 1 -- "$url" "$1" 2>"$out/why" || git fetch -q --no-tags -- "$url" "$1" 2>"$out/why"; }
whole() { git fetch -q --tags -- "$url" '+refs/heads/*:refs/heads/*' 2>"$out/why"; }
found=
if [ -z "$ref" ]; then
  for name in HEAD latest main master trunk; do
    if try "$name"; then found=FETCH_HEAD; break; fi
  done
elif try "refs/heads/$ref" || try "refs/tags/$ref"; then
  found=FETCH_HEAD
elif printf %s "$ref" | grep -Eq '^[0-9a-f]{7,40}$'; then
  if try "$ref"; then found=FETCH_HEAD
  elif whole && git rev-parse -q --verify "$ref^{commit}" >/dev/null; then found=$ref; fi
fi
if [ -z "$found" ]; then
  grep -v '^warning:' "$out/why" | tail -n 3 >&2
  exit 1
fi
git rev-parse "$found^{commit}"
git archive --format=tar -o "$out/source.tar" "$found"
rm -rf "$out/repo"
"#;

/// Fetches one commit and returns its tree as a tar.
pub async fn fetch(builder: &Builder, job: &Job, address: &GitAddress) -> Result<File, Failure> {
    let ours = |e: std::io::Error| Failure::ours(Stage::Fetch, e);
    let out = job.home.work().join("git");
    fresh_dir(&out).map_err(ours)?;
    let mut step = Sandboxed::build(builder, job, Vec::new());
    let seen = step.see(&out, OUT, true);
    let reference = address.reference.clone().unwrap_or_default();
    let words = ["/bin/sh", "-c", SCRIPT, "fetch"].map(str::to_owned).into_iter();
    step.command(
        words
            .chain([seen.display().to_string(), address.url.to_string(), reference])
            .collect(),
    );
    for (name, value) in locked_down(&seen) {
        step.set(&name, value);
    }
    for (name, value) in configuration(address, job.git_credentials.as_ref()) {
        step.set(&name, value);
    }
    step.start_at(seen);
    step.run(Stage::Fetch).await?;
    blocking(Stage::Fetch, move || {
        Beneath::open(&out)
            .and_then(|out| out.file(Path::new("source.tar")))
            .map_err(ours)
    })
    .await
}

/// No configuration, no prompts, no helpers.
fn locked_down(home: &Path) -> Vec<(String, String)> {
    let home = home.display().to_string();
    [
        ("HOME", home.as_str()),
        ("XDG_CONFIG_HOME", &home),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", "/bin/false"),
        ("SSH_ASKPASS", "/bin/false"),
        ("GIT_ALLOW_PROTOCOL", "http:https"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
        ("LC_ALL", "C"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Configuration through the environment: credentials must not stand in a command line, and go to this host only.
fn configuration(address: &GitAddress, credentials: Option<&SecretString>) -> Vec<(String, String)> {
    let mut settings = vec![
        ("core.hooksPath".to_owned(), "/dev/null".to_owned()),
        ("http.followRedirects".to_owned(), "initial".to_owned()),
        ("http.lowSpeedLimit".to_owned(), "1000".to_owned()),
        ("http.lowSpeedTime".to_owned(), "30".to_owned()),
        ("fetch.recurseSubmodules".to_owned(), "false".to_owned()),
        ("gc.auto".to_owned(), "0".to_owned()),
        ("maintenance.auto".to_owned(), "false".to_owned()),
        ("transfer.fsckObjects".to_owned(), "true".to_owned()),
    ];
    if let Some(secret) = credentials {
        let host = &address.url[..url::Position::BeforePath];
        settings.push((
            format!("http.{host}/.extraHeader"),
            format!("Authorization: {}", authorization(secret)),
        ));
    }
    let mut env = vec![("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string())];
    for (n, (key, value)) in settings.into_iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{n}"), key));
        env.push((format!("GIT_CONFIG_VALUE_{n}"), value));
    }
    env
}

/// `user:password` is itself; a bare token is a password for hosts, which ignore the user beside it.
fn authorization(secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    let pair = if secret.contains(':') {
        secret.to_owned()
    } else {
        format!("x-access-token:{secret}")
    };
    format!("Basic {}", STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_their_host_only() {
        let address = GitAddress::parse("https://h.io:8443/ada/greeter/sub@dev").expect("an address");
        let env = configuration(&address, Some(&SecretString::from("t0ken")));
        let at = env.iter().position(|(_, v)| v.contains(".extraHeader")).expect("set");
        assert_eq!(env[at].1, "http.https://h.io:8443/.extraHeader");
        assert_eq!(env[at + 1].1, "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=");
        assert!(
            configuration(&address, None)
                .iter()
                .all(|(_, v)| !v.contains("Authorization"))
        );
    }
}
