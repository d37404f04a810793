//! The SDK layer: our SDK's source, its dependencies' source and the same compiled, in one read-only folder that every
//! build sees. Made once per toolchain and SDK by a build of the platform's own; from then on a tenant's first build is
//! neither cold nor needs the network.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use micro_sandbox::Mode;
use sha2::{Digest, Sha256};
use tokio::{process::Command, sync::OnceCell};

use super::{
    Builder, Toolchains,
    rust::{self, CACHE, PROFILE, SDK, SOURCE},
    step::Sandboxed,
    toolchain::RUST,
};
use crate::{
    config::Sdk,
    failure::{Failure, Stage},
    layout::fresh_dir,
};

/// Changes when layers are made in another way.
const FORM: &str = "2";

/// Why there is no layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Our disk.
    #[error("making the SDK layer")]
    Disk(#[from] io::Error),
    /// The SDK's manifest is not as expected.
    #[error("the SDK's Cargo.toml: {0}")]
    Manifest(String),
    /// Cargo could not fetch the SDK's dependencies with the operator's configuration.
    #[error("fetching the SDK's dependencies: {0}")]
    Vendor(String),
    /// They did not compile.
    #[error("compiling the SDK's dependencies: {0}")]
    Compile(String),
    /// No compiler.
    #[error("there is no Rust toolchain")]
    Toolchain,
}

/// A layer on disk.
#[derive(Clone, Debug)]
pub struct Layer {
    key: String,
    root: PathBuf,
    /// Where builds find it: cargo remembers the paths it compiled at.
    seen: PathBuf,
}

impl Layer {
    /// Differs wherever toolchain or SDK do.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Cargo's settings for a build that sees it: our source for `micro-sdk`, then its dependencies' source.
    pub(crate) fn patch(&self) -> String {
        self.seen.join("patch.toml").display().to_string()
    }

    pub(crate) fn vendor(&self) -> String {
        self.seen.join("vendor.toml").display().to_string()
    }

    /// Shows it to a build, at the path it was compiled at.
    pub(crate) fn show(&self, step: &mut Sandboxed<'_>) {
        for part in ["rust", "vendor", "vendor.toml", "patch.toml"] {
            step.see(&self.root.join(part), &format!("{SDK}/{part}"), false);
        }
    }
}

/// Where layers are kept.
pub struct Layers {
    sdk: Sdk,
    ready: OnceCell<Layer>,
}

impl Layers {
    /// Over a cache that other servers may share.
    pub fn new(sdk: Sdk) -> Self {
        Self {
            sdk,
            ready: OnceCell::new(),
        }
    }

    /// Cargo's setting that makes `micro-sdk` our source, for unconfined builds.
    pub(crate) fn patch(&self) -> String {
        format!(
            "patch.crates-io.micro-sdk.path={:?}",
            self.sdk.source.display().to_string()
        )
    }

    /// The layer, made now if it is not there yet; `progress` is told what takes so long.
    pub async fn ready(
        &self,
        builder: &Builder,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Layer, LayerError> {
        self.ready
            .get_or_try_init(|| self.find_or_make(builder, progress))
            .await
            .cloned()
    }

    async fn find_or_make(
        &self,
        builder: &Builder,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Layer, LayerError> {
        let toolchain = builder.toolchains.rust().await.ok_or(LayerError::Toolchain)?;
        fs::create_dir_all(&self.sdk.cache)?;
        let cache = self.sdk.cache.canonicalize()?;
        let source = sources(&self.sdk.source)?;
        let key = key(&compiler(&toolchain).await?, builder.confines(), &source);
        let root = cache.join(&key);
        let seen = if builder.confines() { SDK.into() } else { root.clone() };
        let layer = Layer { key, root, seen };
        if layer.root.join("done").is_file() {
            return Ok(layer);
        }
        // Another server may be making the same one.
        let lock = File::create(cache.join(format!("{}.lock", layer.key)))?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
            .await
            .map_err(io::Error::other)??;
        if !layer.root.join("done").is_file() {
            self.make(builder, &layer, &source, progress).await?;
        }
        drop(lock);
        Ok(layer)
    }

    async fn make(
        &self,
        builder: &Builder,
        layer: &Layer,
        source: &[(PathBuf, Vec<u8>)],
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<(), LayerError> {
        fresh_dir(&layer.root)?;
        for (path, bytes) in source {
            let to = layer.root.join("rust").join(path);
            fs::create_dir_all(to.parent().unwrap_or(&layer.root))?;
            fs::write(to, bytes)?;
        }
        let work = layer.root.join("work");
        template(&work, &layer.root.join("rust"))?;
        progress("Fetching the SDK's dependencies (once for this toolchain)".to_owned());
        vendor(&builder.toolchains, layer, &work).await?;
        write_settings(layer)?;
        // Some crates carry files that only their packer may read.
        open_to_read(&layer.root)?;
        progress("Compiling the SDK's dependencies (once for this toolchain)".to_owned());
        compile(builder, layer, &work)
            .await
            .map_err(|e| LayerError::Compile(e.to_string()))?;
        fs::rename(work.join("cache/target"), layer.target())?;
        fs::remove_dir_all(&work)?;
        if builder.launcher.mode() == Mode::Root {
            micro_sandbox::hand_over(&layer.root, 0)?;
        }
        open_to_read(&layer.root)?;
        fs::write(layer.root.join("done"), "")?;
        Ok(())
    }
}

/// The SDK's own files: manifest, lock and source.
fn sources(sdk: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    for file in ["Cargo.toml", "Cargo.lock", "README.md"] {
        match fs::read(sdk.join(file)) {
            Ok(bytes) => found.push((file.into(), bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound && file != "Cargo.toml" => {}
            Err(e) => return Err(e),
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(sdk.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.push((path, fs::read(entry.path())?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn key(compiler: &str, confined: bool, source: &[(PathBuf, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    hash.update(FORM);
    hash.update([u8::from(confined)]);
    hash.update(compiler);
    for (name, value) in PROFILE {
        hash.update(format!("{name}={value}\n"));
    }
    for (path, bytes) in source {
        hash.update(format!("{}\n{}\n", path.display(), bytes.len()));
        hash.update(bytes);
    }
    hex::encode(&hash.finalize()[..12])
}

async fn compiler(toolchain: &Path) -> io::Result<String> {
    let output = Command::new(toolchain.join("bin/rustc"))
        .arg("-vV")
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A service that depends on the SDK and, by itself, on all that the SDK depends on: what a tenant's service is like.
fn template(work: &Path, sdk: &Path) -> Result<(), LayerError> {
    let text = fs::read_to_string(sdk.join("Cargo.toml"))?;
    let manifest: toml::Table = toml::from_str(&text).map_err(|e| LayerError::Manifest(e.to_string()))?;
    let version = manifest
        .get("package")
        .and_then(|p| p.get("version"))
        .and_then(toml::Value::as_str);
    let version = version.ok_or_else(|| LayerError::Manifest("it has no version".to_owned()))?;
    let mut dependencies = manifest
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .cloned()
        .unwrap_or_default();
    dependencies.insert("micro-sdk".to_owned(), version.into());
    let mut own =
        String::from("[package]\nname = \"layer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n");
    let dependencies = toml::Table::from_iter([("dependencies".to_owned(), dependencies.into())]);
    own.push_str(&toml::to_string(&dependencies).map_err(|e| LayerError::Manifest(e.to_string()))?);
    fs::create_dir_all(work.join("template/src"))?;
    fs::create_dir_all(work.join("cache"))?;
    fs::write(work.join("template/Cargo.toml"), own)?;
    fs::write(work.join("template/src/main.rs"), "fn main() {}\n")?;
    // The versions that the SDK was tested with.
    match fs::copy(sdk.join("Cargo.lock"), work.join("template/Cargo.lock")) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// With the operator's own cargo configuration, network and caches: the one step that may need them.
async fn vendor(toolchains: &Toolchains, layer: &Layer, work: &Path) -> Result<(), LayerError> {
    let patch = format!(
        "patch.crates-io.micro-sdk.path={:?}",
        layer.root.join("rust").display().to_string()
    );
    let cargo = toolchains.rust().await.ok_or(LayerError::Toolchain)?.join("bin/cargo");
    let output = Command::new(cargo)
        .args(["vendor", "--config", &patch])
        .arg(layer.root.join("vendor"))
        .current_dir(work.join("template"))
        .env_clear()
        .envs(toolchains.operator.iter().cloned())
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    if output.status.success() {
        // Cargo makes no folder for nothing.
        return Ok(fs::create_dir_all(layer.root.join("vendor"))?);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = words.lines().rev().take(6).collect();
    Err(LayerError::Vendor(
        last.into_iter().rev().collect::<Vec<_>>().join("; "),
    ))
}

fn write_settings(layer: &Layer) -> io::Result<()> {
    let at = |part: &str| toml::Value::from(layer.seen.join(part).display().to_string());
    fs::write(
        layer.root.join("vendor.toml"),
        format!(
            "[source.crates-io]\nreplace-with = \"layer\"\n\n[source.layer]\ndirectory = {}\n",
            at("vendor")
        ),
    )?;
    fs::write(
        layer.root.join("patch.toml"),
        format!("[patch.crates-io]\nmicro-sdk = {{ path = {} }}\n", at("rust")),
    )
}

/// In a sandbox as a tenant's build would be, at the same paths.
async fn compile(builder: &Builder, layer: &Layer, work: &Path) -> Result<(), Failure> {
    let toolchain = builder.toolchains.rust().await.unwrap_or("/usr".into());
    let mut command = ["cargo", "build", "--offline"].map(str::to_owned).to_vec();
    command.extend(["--config".to_owned(), layer.vendor()]);
    command.extend(["--config".to_owned(), layer.patch()]);
    let mut step = Sandboxed::alone(builder, work.join("run"), command);
    layer.show(&mut step);
    step.see(&toolchain, RUST, false);
    let source = step.see(&work.join("template"), SOURCE, true);
    let cache = step.see(&work.join("cache"), CACHE, true);
    rust::settings(&mut step, &cache);
    if builder.confines() {
        step.set("CARGO_HOME", cache.join("home").display().to_string());
    }
    step.start_at(source);
    step.run(Stage::Build).await
}

/// Everybody may read a layer, nobody but us may change it.
fn open_to_read(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    let mode = meta.permissions().mode();
    let wanted = if meta.is_dir() || mode & 0o100 != 0 {
        0o755
    } else {
        0o644
    };
    if mode & 0o7777 != wanted {
        fs::set_permissions(path, Permissions::from_mode(wanted))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            open_to_read(&entry?.path())?;
        }
    }
    Ok(())
}
