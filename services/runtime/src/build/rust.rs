//! Building a Rust service: cargo in the sandbox, offline on the SDK layer's dependencies, or, where the operator lists
//! hosts, through the egress door.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::time::timeout;

use super::{Builder, Job, Layer, Notes, blocking, step::Sandboxed, toolchain::RUST};
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

/// Arguments: program, `online` or `offline`, then cargo's settings. A lock file that names versions the layer does not
/// have is kept if there is a network to fetch them, and resolved anew if not.
const SCRIPT: &str = r#"
set -eu
bin=$1 network=$2
shift 2
resolves() { cargo metadata --format-version 1 --offline "$@" >/dev/null 2>&1; }
lock() { dirname "$(cargo locate-project --workspace --message-format plain)"; }
if ! resolves "$@"; then
  if [ "$network" = online ]; then
    [ -f /sdk/patch.toml ] && set -- --config /sdk/patch.toml || set --
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

/// Builds one program; the folder that cargo left it in, as `debug/<bin>`.
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
    if !builder.confines() {
        return unconfined(builder, job, source, entrypoint, bin, sdk)
            .await
            .map(|()| cache.join("target"));
    }
    let Some(toolchain) = &builder.toolchains.rust else {
        return Err(Failure::said(Stage::Build, "this platform has no Rust toolchain"));
    };
    let layer = match &builder.layers {
        Some(layers) => {
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
            let layer = layer.map_err(|e| Failure::ours(Stage::Build, e))?;
            seed(&cache, &layer).await?;
            Some(layer)
        }
        None => None,
    };
    let mut step = Sandboxed::build(builder, job, Vec::new());
    step.see(toolchain, RUST, false);
    step.see(source, SOURCE, true);
    step.see(&cache, CACHE, true);
    let mut command = ["/bin/sh", "-c", SCRIPT, "build", bin].map(str::to_owned).to_vec();
    command.push(if builder.egress.is_empty() { "offline" } else { "online" }.to_owned());
    if let Some(layer) = &layer {
        layer.show(&mut step);
        command.extend(["--config".to_owned(), format!("{SDK}/vendor.toml")]);
        if sdk {
            command.extend(["--config".to_owned(), format!("{SDK}/patch.toml")]);
        }
    }
    step.command(command);
    settings(&mut step, &PathBuf::from(CACHE));
    step.set("CARGO_HOME", format!("{CACHE}/home"));
    step.start_at(Path::new(SOURCE).join(entrypoint));
    step.run(Stage::Build).await?;
    Ok(cache.join("target"))
}

/// The developer's own cargo on the developer's own machine.
async fn unconfined(
    builder: &Builder,
    job: &Job,
    source: &Path,
    entrypoint: &str,
    bin: &str,
    sdk: bool,
) -> Result<(), Failure> {
    let mut command = ["cargo", "build", "--bin", bin].map(str::to_owned).to_vec();
    if let Some(layers) = builder.layers.as_ref().filter(|_| sdk) {
        command.extend(["--config".to_owned(), layers.patch()]);
    }
    let mut step = Sandboxed::build(builder, job, command);
    settings(&mut step, &job.home.cache());
    step.start_at(source.join(entrypoint));
    step.run(Stage::Build).await
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
