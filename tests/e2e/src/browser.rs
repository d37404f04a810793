//! A real Chromium, driven over WebDriver: as a person on a phone would see the pages.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::platform::Process;

/// How long the driver may take to answer.
const START: Duration = Duration::from_secs(20);

/// Chromium's windows are not narrower than this: a phone is emulated.
const MIN_WINDOW: u32 = 500;

/// What the page is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Whether scripts run.
    pub scripts: bool,
}

impl Screen {
    /// A phone.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        scripts: true,
    };
    /// A narrow window in which scripts are off. (Chromium's driver cannot click in an emulated phone without them.)
    pub const WITHOUT_SCRIPTS: Self = Self {
        width: MIN_WINDOW,
        height: 844,
        scripts: false,
    };
}

/// A browser and what must end with it.
pub struct Chromium {
    /// The session.
    pub driver: WebDriver,
    _process: Process,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one. `chromium` and `chromedriver` come from `make test`'s set-up.
    pub async fn start(screen: Screen) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let profile = tempfile::tempdir()?;
        let mut command = Command::new("chromedriver");
        command
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--no-first-run".into(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={},{}", screen.width, screen.height),
        ] {
            wanted.add_arg(&argument)?;
        }
        if screen.width < MIN_WINDOW {
            let metrics = serde_json::json!({ "width": screen.width, "height": screen.height, "pixelRatio": 2.0 });
            wanted.add_experimental_option("mobileEmulation", serde_json::json!({ "deviceMetrics": metrics }))?;
        }
        if !screen.scripts {
            let off = serde_json::json!({ "profile.managed_default_content_settings.javascript": 2 });
            wanted.add_experimental_option("prefs", off)?;
        }
        let url = format!("http://127.0.0.1:{port}");
        let connect = async {
            loop {
                match WebDriver::new(&url, wanted.clone()).await {
                    Ok(driver) => return driver,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let driver = tokio::time::timeout(START, connect)
            .await
            .context("chromedriver does not answer")?;
        Ok(Self {
            driver,
            _process: process,
            _profile: profile,
        })
    }

    /// Keeps what is on the screen, for a person to look at.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        Ok(self.driver.screenshot(path).await?)
    }

    /// Ends the session.
    pub async fn quit(self) -> Result<()> {
        Ok(self.driver.quit().await?)
    }
}
