//! The configuration contract: one typed struct, read whole. Flags, environment and a TOML file say the same
//! things under the same names; whatever is wrong is said by name, all in one message.

mod reader;
mod rules;
mod settings;
mod sources;

use std::{net::SocketAddr, path::PathBuf};

use secrecy::SecretString;
use url::Url;

pub use settings::{SETTINGS, Setting};
pub use sources::{Machine, Problems, Sources};

/// What kind of server this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A laptop's: no database, no signup, user admin/micro.
    Local,
    /// As local, in memory, for tests of services.
    Test,
    /// The hosted, multi-tenant platform.
    Platform,
}

impl Profile {
    /// Whether strangers pay to share it.
    pub fn is_platform(self) -> bool {
        self == Self::Platform
    }

    /// The word that `MICRO_PROFILE` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Test => "test",
            Self::Platform => "platform",
        }
    }
}

/// How connections from outside are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: loopback only on the platform.
    Off,
    /// By a load balancer in front.
    Terminated,
}

/// An external database, by its three logins.
#[derive(Clone, Debug)]
pub struct Database {
    /// Serving role: tenant tables under row-level security; owns nothing.
    pub serving: SecretString,
    /// System role: global tables, jobs, log heads.
    pub system: SecretString,
    /// Owner: migrations only.
    pub migrate: SecretString,
}

/// Who delivers letters.
#[derive(Clone, Debug)]
pub enum Mail {
    /// Nobody: they are shown on the mailbox page.
    Mailbox,
    /// A mail server, and what stands in `From`.
    Smtp {
        /// `smtp://` or `smtps://`, with credentials.
        url: SecretString,
        /// `Micro <hello@example.com>`.
        from: String,
    },
}

/// How money comes in.
#[derive(Clone, Debug)]
pub enum Payments {
    /// It does not: the free `dev` environment.
    Off,
    /// Through Stripe.
    Stripe {
        /// Somewhere else than Stripe itself: a double.
        api_base: Option<Url>,
        /// `sk_…`
        secret_key: SecretString,
        /// `pk_…`, which must be of the secret key's mode.
        publishable_key: Option<String>,
        /// `whsec_…`
        webhook_secret: SecretString,
        /// The price that is charged each month.
        price_id: String,
    },
}

/// Whether tenants' code is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Refuses to run it otherwise.
    Required,
    /// Plain children of this process: one's own code on one's own machine.
    Off,
}

/// Everything a server process is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `MICRO_PROFILE`
    pub profile: Profile,
    /// `MICRO_ENVIRONMENT`: the environment's name, the tokens' issuer.
    pub environment: String,
    /// `MICRO_PUBLIC_URL`: where links in mails and pages point; by default the web address.
    pub public_url: Option<Url>,
    /// `MICRO_DATA_DIR`: all state of embedded parts.
    pub data_dir: PathBuf,
    /// What can be made again, shared by this user's servers: compiled SDK layers.
    pub cache_dir: PathBuf,
    /// `MICRO_API_ADDRESS`: HTTP API.
    pub api_address: SocketAddr,
    /// `MICRO_PROXY_ADDRESS`: gRPC for command lines.
    pub proxy_address: SocketAddr,
    /// `MICRO_WEB_ADDRESS`: pages.
    pub web_address: SocketAddr,
    /// `MICRO_NETWORK_ADDRESS`: gRPC for services that no sandbox door serves.
    pub network_address: SocketAddr,
    /// `MICRO_ADVERTISE_ADDRESS`: the host under which other replicas reach this one's doors.
    pub advertise_address: Option<String>,
    /// `MICRO_ADMIN_ADDRESS`: the operators' door.
    pub admin_address: Option<SocketAddr>,
    /// `MICRO_TLS`
    pub tls: Tls,
    /// `MICRO_CONFIG_SECRET_KEY`
    pub config_secret_key: Option<SecretString>,
    /// `MICRO_AUTH_PRIVATE_KEY`
    pub auth_private_key: Option<SecretString>,
    /// `DATABASE_URL` and its two companions; none means an embedded one on the platform.
    pub database: Option<Database>,
    /// `REDIS_URL`
    pub redis_url: Option<SecretString>,
    /// `MICRO_BLOBS_URL`, if it is a folder of its own.
    pub blobs_dir: Option<PathBuf>,
    /// `SMTP_URL`, `MAIL_FROM`
    pub mail: Mail,
    /// `MICRO_BUILD_EGRESS`: hosts that builds and git may reach.
    pub build_egress: Vec<String>,
    /// `MICRO_SANDBOX`
    pub sandbox: Confinement,
    /// `MICRO_TOOLCHAINS`: read-only folders that builds may see; empty means find them.
    pub toolchains: Vec<PathBuf>,
    /// `STRIPE_…`, `MICRO_PAYMENTS`
    pub payments: Payments,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`
    pub otlp_endpoint: Option<Url>,
    /// What was told but does not apply here, in sentences for the start-up message.
    pub notices: Vec<String>,
}

impl Config {
    /// Whether other servers may work on the same data: it lies in a database of their own, and they hear of each other.
    pub fn may_have_replicas(&self) -> bool {
        self.profile.is_platform() && self.database.is_some() && self.redis_url.is_some()
    }

    /// Reads all sources; the error lists everything that is wrong with them.
    pub fn read(sources: &Sources, machine: &Machine) -> Result<Self, Problems> {
        rules::check(reader::Reader::new(sources), machine)
    }
}

#[cfg(test)]
mod tests;
