//! What a person reads once everything serves.

use std::{io::Write, path::Path};

use micro_serve::addresses::Addresses;
use secrecy::{ExposeSecret, SecretString};

/// Where the command line looks for a server on this machine.
const USUAL_PORT: u16 = 8081;

/// What there is to say.
pub struct Banner<'a> {
    /// Where everything is.
    pub addresses: &'a Addresses,
    /// Where everything is kept, if that is worth saying.
    pub data_dir: Option<&'a Path>,
    /// Where links point.
    pub public_url: Option<&'a str>,
    /// Whether mail is shown instead of sent.
    pub mailbox: bool,
    /// Printed this once.
    pub operator_secret: Option<SecretString>,
    /// `admin`/`micro` logs in.
    pub default_admin: bool,
}

impl Banner<'_> {
    /// Prints it on stdout.
    pub fn print(&self) {
        let mut out = std::io::stdout().lock();
        // A closed stdout is no reason to stop serving.
        let _unheard = out.write_all(self.text().as_bytes()).and_then(|()| out.flush());
    }

    fn text(&self) -> String {
        let at = self.addresses;
        let mut lines = vec![
            format!("Micro {} is serving.", env!("CARGO_PKG_VERSION")),
            String::new(),
        ];
        lines.push(format!("  command line  {}", at.proxy));
        lines.push(format!("  HTTP API      http://{}", at.api));
        if let Some(network) = at.network {
            lines.push(format!("  services      {network}"));
        }
        if let Some(url) = self.public_url {
            lines.push(format!("  pages         {url}"));
        }
        if self.mailbox
            && let Some(web) = at.web
        {
            lines.push(format!("  mail          http://{web}/mailbox"));
        }
        if let Some(admin) = at.admin {
            lines.push(format!("  operators     {admin}"));
        }
        if let Some(folder) = self.data_dir {
            lines.push(format!("  data          {}", folder.display()));
        }
        if let Some(secret) = &self.operator_secret {
            lines.push(String::new());
            lines.push(format!(
                "  operator secret (shown this once): {}",
                secret.expose_secret()
            ));
            lines.push("  micro-admin login".into());
        }
        lines.push(String::new());
        lines.push("Try next:".into());
        if self.default_admin {
            if at.proxy.port() != USUAL_PORT {
                lines.push(format!("  micro env add here {} && micro env set here", at.proxy));
            }
            lines.push("  micro login --username admin --password micro".into());
            lines.push("  micro new greeter && micro run greeter".into());
            lines.push("  micro greeter call --name Ada".into());
        } else {
            lines.push(format!("  micro env add home {} && micro env set home", at.proxy));
            lines.push("  micro signup".into());
            lines.push("  micro run examples/greeter".into());
        }
        lines.join("\n") + "\n"
    }
}
