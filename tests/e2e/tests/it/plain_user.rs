//! The same walk as a user without any rights: what `make demo` does for whoever is not root.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use micro_e2e::{
    platform::{Options, Platform, Process, bin_dir, eventually, signal_group},
    walk::root,
};

/// `nobody`.
const NOBODY: u32 = 65_534;
/// A whole walk on a busy machine.
const WALK: Duration = Duration::from_secs(400);
/// Where a server that runs as root keeps the SDK's compiled dependencies.
const LAYERS: &str = "/var/cache/micro/sdk";

/// What a plain user needs and can read: programs, examples, a toolchain, a home.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn prepare() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("micro-plain").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let place = Self { dir };
        let bin = place.folder("bin")?;
        for program in ["micro", "micro-admin", "stripe-double", "git-double", "demo"] {
            fs::copy(bin_dir().join(program), bin.join(program)).with_context(|| program.to_owned())?;
        }
        let examples = place.folder("repository")?;
        copy(&root().join("examples"), &examples)?;
        place.lay_out_toolchain()?;
        for folder in ["home", "tmp"] {
            chown(place.folder(folder)?, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(place)
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The toolchain of `rustc` without its documentation. Its own folder may be in a home that others cannot enter,
    /// its files are everybody's to read.
    fn lay_out_toolchain(&self) -> Result<()> {
        let told = Command::new("rustc").args(["--print", "sysroot"]).output()?;
        let sysroot = PathBuf::from(String::from_utf8(told.stdout)?.trim());
        let toolchain = self.folder("toolchain")?;
        for part in ["bin", "lib"] {
            copy(&sysroot.join(part), &toolchain)?;
        }
        Ok(())
    }

    /// The SDK's dependencies, compiled already: fetching them would need an operator's own cargo configuration,
    /// which a user whom nobody set up has not.
    fn lay_out_layer(&self) -> Result<()> {
        let platform = Platform::start(Options::default())?;
        eventually("the SDK layer", Duration::from_secs(180), || {
            Ok(platform.log().contains("toolchains are ready").then_some(()))
        })?;
        let cache = self.folder("home/.cache/micro")?;
        copy(Path::new(LAYERS), &cache)?;
        for folder in ["home/.cache", "home/.cache/micro", "home/.cache/micro/sdk"] {
            chown(self.folder(folder)?, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }

    fn walk(&self) -> Result<String> {
        let at = |name: &str| self.dir.path().join(name);
        let said = at("said");
        let mut demo = Command::new("setpriv");
        demo.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
            .arg(at("bin/demo"))
            .env_clear()
            .env("HOME", at("home"))
            .env("TMPDIR", at("tmp"))
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", at("toolchain/bin").display()),
            )
            .env("MICRO_E2E_REPOSITORY", at("repository"))
            .current_dir(at("home"))
            .stdout(File::create(&said)?)
            .stderr(File::options().append(true).open(&said)?)
            .process_group(0);
        let mut demo = Process::start(&mut demo)?;
        let ended = demo.wait(WALK);
        let said = fs::read_to_string(said)?;
        match ended {
            Ok(status) if status.success() => Ok(said),
            Ok(status) => bail!("{status}\n{said}"),
            Err(e) => {
                // The demo is gone; what it started is not.
                signal_group(demo.id(), "TERM").ok();
                Err(e.context(said))
            }
        }
    }
}

/// With links where they are possible: a toolchain is large.
fn copy(from: &Path, into: &Path) -> Result<()> {
    for how in ["-al", "-a"] {
        let copied = Command::new("cp")
            .args([how, "-f", "--"])
            .arg(from)
            .arg(into)
            .output()?;
        if copied.status.success() {
            return Ok(());
        }
    }
    bail!("copying {} into {}", from.display(), into.display())
}

#[test]
fn the_walk_as_a_plain_user() -> Result<()> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        eprintln!("this is a plain user already: every test is this test");
        return Ok(());
    }
    let place = Place::prepare()?;
    place.lay_out_layer()?;
    let said = place.walk()?;
    eprintln!("{said}");
    ensure!(said.contains("the platform stops on Ctrl-C"), "{said}");
    Ok(())
}
