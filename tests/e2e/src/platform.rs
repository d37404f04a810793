//! One platform of a test's own: the Stripe double and `micro server`, in a folder that is thrown away.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::home::Home;

/// How long a server may take to serve on a busy machine; the budget is 1 s and is printed, not asserted.
const START: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;
const LOG: &str = "server.log";
const BANNER: &str = "server.out";
pub(crate) const STRIPE_KEY: &str = "sk_test_double";
const WEBHOOK_SECRET: &str = "whsec_double";
const PRICE: &str = "price_micro_developer";

/// Where the binaries lie: beside the test's own, or where the caller says.
pub fn bin_dir() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own.parent().expect("a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("target").to_owned()
    } else {
        folder.to_owned()
    }
}

/// What a platform is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More settings for the server.
    pub env: Vec<(String, String)>,
}

/// A running platform. Dropping it stops what it started.
pub struct Platform {
    dir: TempDir,
    bin: PathBuf,
    options: Options,
    /// How far the server's clock and the double's are ahead of the machine's.
    ahead: Duration,
    stripe: Process,
    stripe_url: String,
    server: Option<Process>,
    web: SocketAddr,
    /// Where it answers.
    pub at: Addresses,
    /// How long the last start took, from exec to serving.
    pub started_in: Duration,
}

/// `addresses.json`.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Addresses {
    /// HTTP API.
    pub api: SocketAddr,
    /// gRPC for command lines.
    pub proxy: SocketAddr,
    /// Pages.
    pub web: Option<SocketAddr>,
    /// The operators' door.
    pub admin: Option<SocketAddr>,
    /// The server's process.
    pub pid: u32,
}

impl Platform {
    /// Starts one from nothing.
    pub fn start(options: Options) -> Result<Self> {
        let bin = bin_dir();
        let dir = tempfile::Builder::new().prefix("micro-e2e").tempdir()?;
        // Processes under other uids pass through it.
        set_mode(dir.path(), 0o711)?;
        // The double must know where to send webhooks before the server runs, so the server's web port is chosen here.
        let web = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let state = dir.path().join("stripe.json");
        let mut stripe = Command::new(bin.join("stripe-double"));
        stripe
            .args([
                "--listen",
                "127.0.0.1:0",
                "--price",
                PRICE,
                "--webhook-secret",
                WEBHOOK_SECRET,
                "--state",
            ])
            .arg(&state)
            .args(["--webhook", &format!("http://{web}/webhooks/stripe")])
            .stdout(Stdio::piped())
            .stderr(File::create(dir.path().join("stripe.log"))?);
        let (stripe, line) = Process::start_and_read_line(&mut stripe)?;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("the double said {line:?}"))?;
        let stripe_url = ready["address"]
            .as_str()
            .context("no address")?
            .trim_end_matches('/')
            .to_owned();
        let at = Addresses {
            api: web,
            proxy: web,
            web: None,
            admin: None,
            pid: 0,
        };
        let mut platform = Self {
            dir,
            bin,
            options,
            ahead: Duration::ZERO,
            stripe,
            stripe_url,
            server: None,
            web,
            at,
            started_in: Duration::ZERO,
        };
        platform.boot()?;
        Ok(platform)
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where the Stripe double answers, without a slash at the end.
    pub fn stripe(&self) -> &str {
        &self.stripe_url
    }

    /// The pages' address.
    pub fn web_url(&self) -> String {
        format!("http://{}", self.web)
    }

    /// A link as it stands on one of the pages, made whole.
    pub fn absolute(&self, href: &str) -> String {
        if href.starts_with("http") {
            href.to_owned()
        } else {
            format!("{}{href}", self.web_url())
        }
    }

    /// Where the binaries are.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Starts the server and waits until it serves.
    pub fn boot(&mut self) -> Result<()> {
        self.launch(None)?;
        ensure!(self.comes_up()?, "the server ended at once:\n{}", self.log());
        Ok(())
    }

    /// Starts a server that dies at this failpoint, and waits until it serves or is dead already.
    pub fn boot_to_die_at(&mut self, failpoint: &str) -> Result<()> {
        self.launch(Some(failpoint))?;
        self.comes_up().map(drop)
    }

    /// Waits for the server to die at the failpoint that it was started with, and nowhere else.
    pub fn died_at(&mut self, failpoint: &str, within: Duration) -> Result<()> {
        let status = self.wait_end(within).with_context(|| {
            format!("{failpoint} was not reached (or the server is built without the feature `failpoints`)")
        })?;
        ensure!(status.signal() == Some(SIGABRT), "{failpoint}: {status}");
        let reached = format!("failpoint {failpoint}");
        let last = self
            .log()
            .lines()
            .rev()
            .find(|l| l.starts_with("failpoint "))
            .map(str::to_owned);
        ensure!(
            last.as_deref() == Some(reached.as_str()),
            "{failpoint}: it died elsewhere:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Lets time go on, for the platform and the payment provider alike. The server must not run meanwhile.
    pub fn go_on_by(&mut self, time: Duration) -> Result<()> {
        ensure!(
            self.server.is_none(),
            "a server reads its clock's lead once, when it starts"
        );
        self.ahead += time;
        self.stripe_post("/_double/clock", &serde_json::json!({ "seconds": time.as_secs() }))
    }

    fn launch(&mut self, failpoint: Option<&str>) -> Result<()> {
        std::fs::remove_file(self.data_dir().join("addresses.json")).ok();
        let append = |name: &str| {
            let path = self.dir.path().join(name);
            File::options().create(true).append(true).open(path)
        };
        // The second start takes the ports of the first: terminals remember them.
        let again = |address: SocketAddr| {
            if self.at.pid == 0 {
                "127.0.0.1:0".to_owned()
            } else {
                address.to_string()
            }
        };
        let admin = self.at.admin.unwrap_or(self.web);
        let mut server = Command::new(self.bin.join("micro"));
        server
            .arg("server")
            .env_clear()
            .envs(std::env::vars().filter(|(k, _)| !k.starts_with("MICRO_") && !k.starts_with("STRIPE_")))
            .env("MICRO_PROFILE", "platform")
            .env("MICRO_DATA_DIR", self.data_dir())
            .env("MICRO_API_ADDRESS", again(self.at.api))
            .env("MICRO_PROXY_ADDRESS", again(self.at.proxy))
            .env("MICRO_ADMIN_ADDRESS", again(admin))
            .env("MICRO_WEB_ADDRESS", self.web.to_string())
            .env("STRIPE_API_BASE", format!("{}/", self.stripe_url))
            .env("STRIPE_SECRET_KEY", STRIPE_KEY)
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STRIPE_PRICE_ID", PRICE)
            .envs(self.options.env.iter().map(|(k, v)| (k, v)))
            .envs(failpoint.map(|name| ("MICRO_FAILPOINT", name)))
            .stdin(Stdio::null())
            .stdout(append(BANNER)?)
            .stderr(append(LOG)?);
        if !self.ahead.is_zero() {
            server.env("MICRO_CLOCK_AHEAD", self.ahead.as_secs().to_string());
        }
        self.server = Some(Process::start(&mut server)?);
        Ok(())
    }

    /// Waits until the server serves; whether it does, or has ended.
    fn comes_up(&mut self) -> Result<bool> {
        let addresses = self.data_dir().join("addresses.json");
        let began = Instant::now();
        while !addresses.exists() {
            if !self.runs() {
                return Ok(false);
            }
            ensure!(began.elapsed() < START, "not serving after {START:?}:\n{}", self.log());
            pause();
        }
        self.started_in = began.elapsed();
        self.at = serde_json::from_slice(&std::fs::read(&addresses)?)?;
        Ok(true)
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("no server runs")?;
        server.child.kill()?;
        server.child.wait()?;
        Ok(())
    }

    /// Asks the server to stop, as Ctrl-C does; how long it took and how it ended.
    pub fn interrupt(&mut self) -> Result<(Duration, std::process::ExitStatus)> {
        let mut server = self.server.take().context("no server runs")?;
        let began = Instant::now();
        signal(server.child.id(), "INT")?;
        let status = server.wait(Duration::from_secs(30))?;
        Ok((began.elapsed(), status))
    }

    /// Whether the server still runs.
    pub fn runs(&mut self) -> bool {
        self.server
            .as_mut()
            .is_some_and(|s| matches!(s.child.try_wait(), Ok(None)))
    }

    /// Waits for the server to end by itself.
    pub fn wait_end(&mut self, within: Duration) -> Result<std::process::ExitStatus> {
        self.server.take().context("no server runs")?.wait(within)
    }

    /// Everything the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default()
    }

    /// What it told the person who started it.
    pub fn banner(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(BANNER)).unwrap_or_default()
    }

    /// A fresh home directory whose command line talks to this platform as environment `home`.
    pub fn home(&self) -> Result<Home> {
        let home = Home::new(self.bin.join("micro"))?;
        home.run(&["env", "add", "home", &self.at.proxy.to_string()])?.ok()?;
        home.run(&["env", "set", "home"])?.ok()?;
        Ok(home)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the server's log\n{}\n--- in {}",
                self.log(),
                self.dir.path().display()
            );
        }
        if let Some(server) = &mut self.server {
            signal(server.child.id(), "TERM").ok();
            server.wait(Duration::from_secs(10)).ok();
        }
        self.stripe.child.kill().ok();
        self.stripe.child.wait().ok();
    }
}

/// A child that never outlives the test.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// Starts it and reads its first line of output.
    pub fn start_and_read_line(command: &mut Command) -> Result<(Self, String)> {
        let mut process = Self::start(command)?;
        let mut line = String::new();
        BufReader::new(process.child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "{:?} ended before it said anything",
            command.get_program()
        );
        Ok((process, line))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, or kills it.
    pub fn wait(&mut self, within: Duration) -> Result<std::process::ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > within {
                self.child.kill()?;
                self.child.wait()?;
                bail!("still running after {within:?}");
            }
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Sends a signal by name to one process of ours.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()?;
    ensure!(sent.success(), "kill -{name} {pid}: {sent}");
    Ok(())
}

/// Sends a signal by name to a process that leads a group, and to all in it.
pub fn signal_group(leader: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), "--", &format!("-{leader}")])
        .status()?;
    ensure!(sent.success(), "kill -{name} -{leader}: {sent}");
    Ok(())
}

/// Polls until the answer is there.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(began.elapsed() < within, "not after {within:?}: {what}");
        pause();
    }
}

/// Between two looks at something that another process does.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
