//! Building a Rust service: cargo in the sandbox, offline on the SDK layer's dependencies, or, where the operator lists
//! hosts, through the egress door.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::time::timeout;

use super::{Builder, Job, Layer, Layers, Notes, blocking, step::Sandboxed, toolchain::RUST};
use crate::{
    failure::{Failure, Stage},
    layout::private_dir,
};

/// Where a build finds its source.
pub(crate) const SOURCE: &str = "/src";
/// Where it finds what earlier builds left.
pub(crate) const CACHE: &str = "/cache";
/// Where it finds our SDK, its dependencies, and cargo's settings for both.
pub(crate) const SDK: &str = "/sdk";

/// How long a build waits without a word.
const SILENCE: Duration = Duration::from_millis(500);

/// Quick to compile and quick to compile again. The layer is built with the same.
pub(crate) const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_DEV_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false"),
    ("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "true"),
    ("CARGO_INCREMENTAL", "1"),
    ("CARGO_TERM_COLOR", "never"),
    ("CARGO_TERM_PROGRESS_WHEN", "never"),
];

/// Arguments: program, `online` or `offline`, the setting that makes `micro-sdk` ours (empty without one), then cargo's
/// settings for building offline. A lock file that names versions the layer does not have is kept if there is a network
/// to fetch them, and resolved anew if not.
const SCRIPT: &str = r#"
set -eu
bin=$1 network=$2 patch=$3
shift 3
resolves() { cargo metadata --format-version 1 --offline "$@" >/dev/null 2>&1; }
lock() { dirname "$(cargo locate-project --workspace --message-format plain)"; }
if ! resolves "$@"; then
  if [ "$network" = online ]; then
    [ -n "$patch" ] && set -- --config "$patch" || set --
    exec cargo build "$@" --bin "$bin"
  fi
  root=$(lock)
  if [ -f "$root/Cargo.lock" ]; then
    mv "$root/Cargo.lock" "$root/Cargo.lock.given"
    if resolves "$@"; then
      echo "note: Cargo.lock names versions that this platform does not have; using those it has" >&2
    else
      mv "$root/Cargo.lock.given" "$root/Cargo.lock"
    fi
  fi
fi
exec cargo build --offline "$@" --bin "$bin"
"#;

/// Builds one program; the folder that cargo left it in, as `debug/<bin>`. Unconfined it is the developer's own cargo
/// on the developer's own machine, with its own settings and network where the layer is not enough.
pub(crate) async fn build(
    builder: &Builder,
    job: &Job,
    notes: &Notes<'_>,
    source: &Path,
    entrypoint: &str,
    bin: &str,
    sdk: bool,
) -> Result<PathBuf, Failure> {
    let cache = job.home.cache();
    private_dir(&cache).map_err(|e| Failure::ours(Stage::Build, e))?;
    let confines = builder.confines();
    let toolchain = builder.toolchains.rust().await;
    if toolchain.is_none() {
        let words = match confines {
            true => "this platform has no Rust toolchain",
            false => "there is no Rust toolchain on this machine: install one (https://rustup.rs), then run it again",
        };
        return Err(Failure::said(Stage::Build, words));
    }
    // One's own machine needs a layer only for what is built on it; a confined build has no other source of crates.
    let layers = builder.layers.as_ref().filter(|_| confines || sdk);
    let layer = match layers {
        Some(layers) => ready(layers, builder, notes).await?,
        None => None,
    };
    if let Some(layer) = &layer {
        seed(&cache, layer).await?;
    }
    let mut step = Sandboxed::build(builder, job, Vec::new());
    if let Some(toolchain) = &toolchain {
        step.see(toolchain, RUST, false);
    }
    let source = step.see(source, SOURCE, true);
    let seen = step.see(&cache, CACHE, true);
    let online = !confines || !builder.egress.is_empty();
    let patch = match (&layer, &builder.layers) {
        _ if !sdk => None,
        (Some(layer), _) => Some(layer.patch()),
        (None, layers) => layers.as_ref().map(|layers| layers.patch()),
    };
    let mut command = ["/bin/sh", "-c", SCRIPT, "build", bin].map(str::to_owned).to_vec();
    command.push(if online { "online" } else { "offline" }.to_owned());
    command.push(patch.clone().unwrap_or_default());
    if let Some(layer) = &layer {
        layer.show(&mut step);
        command.extend(["--config".to_owned(), layer.vendor()]);
    }
    command.extend(patch.into_iter().flat_map(|patch| ["--config".to_owned(), patch]));
    step.command(command);
    settings(&mut step, &seen);
    if confines {
        step.set("CARGO_HOME", seen.join("home").display().to_string());
    }
    step.start_at(source.join(entrypoint));
    step.run(Stage::Build).await?;
    Ok(cache.join("target"))
}

/// The layer. One's own machine does without where it cannot be made: its cargo may know a way that ours does not.
async fn ready(layers: &Layers, builder: &Builder, notes: &Notes<'_>) -> Result<Option<Layer>, Failure> {
    let say = |text| notes.say(text);
    let ready = layers.ready(builder, &say);
    tokio::pin!(ready);
    let layer = match timeout(SILENCE, &mut ready).await {
        Ok(layer) => layer,
        // Somebody else's build, or boot, is at it.
        Err(_) => {
            notes.say("Waiting for the SDK's dependencies, which are compiled once for this toolchain");
            ready.await
        }
    };
    match layer {
        Ok(layer) => Ok(Some(layer)),
        Err(e) if !builder.confines() => {
            notes.say(format!("{e}; building without"));
            Ok(None)
        }
        Err(e) => Err(Failure::ours(Stage::Build, e)),
    }
}

/// Cargo's settings for every build.
pub(crate) fn settings(step: &mut Sandboxed<'_>, cache: &Path) {
    for (name, value) in PROFILE {
        step.set(name, *value);
    }
    step.set("CARGO_TARGET_DIR", cache.join("target").display().to_string());
}

/// Gives a service's first build the layer's compiled dependencies; again when the layer is another one.
async fn seed(cache: &Path, layer: &Layer) -> Result<(), Failure> {
    let ours = |e: io::Error| Failure::ours(Stage::Build, e);
    let (target, mark) = (cache.join("target"), cache.with_extension("layer"));
    if fs::read_to_string(&mark).is_ok_and(|seeded| seeded == layer.key()) && target.is_dir() {
        return Ok(());
    }
    let (old, from) = (target.clone(), layer.target());
    blocking(Stage::Build, move || match fs::remove_dir_all(&old) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ours(e)),
        _ => Ok(()),
    })
    .await?;
    let copied = tokio::process::Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(&from)
        .arg(&target)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(ours)?;
    if !copied.status.success() {
        return Err(ours(io::Error::other(
            String::from_utf8_lossy(&copied.stderr).into_owned(),
        )));
    }
    fs::write(&mark, layer.key()).map_err(ours)
}
