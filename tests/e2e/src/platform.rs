//! One platform of a test's own: the Stripe double and `micro server`, in a folder that is thrown away.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::home::Home;
pub use crate::{
    process::{Process, eventually, signal, signal_group},
    server::{Addresses, Server},
};

const SIGABRT: i32 = 6;
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
    // In the order in which they are ended.
    server: Server,
    _stripe: Process,
    bin: PathBuf,
    options: Options,
    /// How far the server's clock and the double's are ahead of the machine's.
    ahead: Duration,
    stripe_url: String,
    web: SocketAddr,
    /// Where it answers.
    pub at: Addresses,
    /// How long the last start took, from exec to serving.
    pub started_in: Duration,
    _dir: TempDir,
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
            network: None,
            admin: None,
            pid: 0,
        };
        let mut platform = Self {
            server: Server::new(dir.path()),
            _dir: dir,
            bin,
            options,
            ahead: Duration::ZERO,
            _stripe: stripe,
            stripe_url,
            web,
            at,
            started_in: Duration::ZERO,
        };
        platform.boot()?;
        Ok(platform)
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.server.data_dir()
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
            !self.server.is_started(),
            "a server reads its clock's lead once, when it starts"
        );
        self.ahead += time;
        self.stripe_post("/_double/clock", &serde_json::json!({ "seconds": time.as_secs() }))
    }

    fn launch(&mut self, failpoint: Option<&str>) -> Result<()> {
        // The second start takes the ports of the first: terminals remember them.
        let again = |address: SocketAddr| {
            if self.at.pid == 0 {
                "127.0.0.1:0".to_owned()
            } else {
                address.to_string()
            }
        };
        let admin = self.at.admin.unwrap_or(self.web);
        let mut server = self.server.command(&self.bin.join("micro"));
        server
            .env("MICRO_PROFILE", "platform")
            .env("MICRO_API_ADDRESS", again(self.at.api))
            .env("MICRO_PROXY_ADDRESS", again(self.at.proxy))
            .env("MICRO_ADMIN_ADDRESS", again(admin))
            .env("MICRO_WEB_ADDRESS", self.web.to_string())
            .env("STRIPE_API_BASE", format!("{}/", self.stripe_url))
            .env("STRIPE_SECRET_KEY", STRIPE_KEY)
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STRIPE_PRICE_ID", PRICE)
            .envs(self.options.env.iter().map(|(k, v)| (k, v)))
            .envs(failpoint.map(|name| ("MICRO_FAILPOINT", name)));
        if !self.ahead.is_zero() {
            server.env("MICRO_CLOCK_AHEAD", self.ahead.as_secs().to_string());
        }
        self.server.launch(&mut server)
    }

    /// Waits until the server serves; whether it does, or has ended.
    fn comes_up(&mut self) -> Result<bool> {
        let Some(at) = self.server.comes_up()? else {
            return Ok(false);
        };
        self.at = at;
        self.started_in = self.server.started_in;
        Ok(true)
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Asks the server to stop, as Ctrl-C does; how long it took and how it ended.
    pub fn interrupt(&mut self) -> Result<(Duration, ExitStatus)> {
        self.server.end("INT")
    }

    /// Whether the server still runs.
    pub fn runs(&mut self) -> bool {
        self.server.runs()
    }

    /// Waits for the server to end by itself.
    pub fn wait_end(&mut self, within: Duration) -> Result<ExitStatus> {
        self.server.wait_end(within)
    }

    /// Everything the server logged.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// What it told the person who started it.
    pub fn banner(&self) -> String {
        self.server.banner()
    }

    /// A fresh home directory whose command line talks to this platform as environment `home`.
    pub fn home(&self) -> Result<Home> {
        let home = Home::new(self.bin.join("micro"))?;
        home.run(&["env", "add", "home", &self.at.proxy.to_string()])?.ok()?;
        home.run(&["env", "set", "home"])?.ok()?;
        Ok(home)
    }
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
