//! Every setting by its promised name, in one list: what is not in it is refused.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its environment variable. The flag is the same in kebab case without `MICRO_` (`--data-dir`), the TOML
    /// key the same in snake case (`data_dir`).
    pub env: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Never printed, and warned about as a flag, which other users of the machine can see.
    pub secret: bool,
}

impl Setting {
    /// The TOML key: `data_dir`.
    pub fn key(&self) -> String {
        self.env.trim_start_matches("MICRO_").to_ascii_lowercase()
    }

    /// The flag, without its dashes: `data-dir`.
    pub fn flag(&self) -> String {
        self.key().replace('_', "-")
    }
}

const fn setting(env: &'static str, help: &'static str) -> Setting {
    Setting {
        env,
        help,
        secret: false,
    }
}

const fn secret(env: &'static str, help: &'static str) -> Setting {
    Setting {
        env,
        help,
        secret: true,
    }
}

/// The contract.
pub const SETTINGS: &[Setting] = &[
    setting("MICRO_PROFILE", "local, test, platform or kubernetes [local]"),
    setting(
        "MICRO_ENVIRONMENT",
        "the environment's name, the tokens' issuer [local]",
    ),
    setting(
        "MICRO_PUBLIC_URL",
        "where links in mails and pages point [the web address]",
    ),
    setting("MICRO_APPS_DOMAIN", "domain of tenants' web content"),
    setting("MICRO_TRUSTED_PROXIES", "whose X-Forwarded-For is believed"),
    setting(
        "MICRO_DATA_DIR",
        "all state of embedded parts [~/.micro/server; as root /var/lib/micro]",
    ),
    setting("MICRO_API_ADDRESS", "HTTP API [:8080]"),
    setting("MICRO_PROXY_ADDRESS", "gRPC for command lines [:8081]"),
    setting("MICRO_WEB_ADDRESS", "pages [:8082]"),
    setting("MICRO_NETWORK_ADDRESS", "gRPC for services [:8443]"),
    setting(
        "MICRO_ADVERTISE_ADDRESS",
        "the host under which other replicas reach this one's doors [where they listen]",
    ),
    setting(
        "MICRO_ADMIN_ADDRESS",
        "the operators' door [off; platform 127.0.0.1:8090]",
    ),
    setting("MICRO_TLS", "off, auto, files or terminated [off]"),
    setting("MICRO_TLS_CERT", "certificate, with MICRO_TLS=files"),
    setting("MICRO_TLS_KEY", "its key"),
    setting("MICRO_TLS_CA", "whose client certificates are accepted"),
    secret(
        "MICRO_CONFIG_SECRET_KEY",
        "key ring of secret configuration values [made in the data directory]",
    ),
    secret(
        "MICRO_AUTH_PRIVATE_KEY",
        "signing key of tokens [made in the data directory]",
    ),
    secret(
        "DATABASE_URL",
        "database, as the serving role [embedded on the platform]",
    ),
    secret("MICRO_SYSTEM_DATABASE_URL", "the same, as the system role"),
    secret("MICRO_MIGRATE_DATABASE_URL", "the same, as the owner"),
    secret("REDIS_URL", "shared limits [in process]"),
    setting("MICRO_BLOBS_URL", "where blobs lie [file:// in the data directory]"),
    secret("SMTP_URL", "mail server [a mailbox page]"),
    setting("MAIL_FROM", "sender of mails"),
    setting(
        "MICRO_BUILD_EGRESS",
        "hosts that builds and git may reach, comma-separated",
    ),
    setting("MICRO_SANDBOX", "required or off [required on the platform]"),
    setting(
        "MICRO_TOOLCHAINS",
        "read-only toolchain folders, colon-separated [found]",
    ),
    setting("STRIPE_API_BASE", "somewhere else than Stripe itself"),
    secret("STRIPE_SECRET_KEY", "sk_…"),
    setting("STRIPE_PUBLISHABLE_KEY", "pk_…"),
    secret("STRIPE_WEBHOOK_SECRET", "whsec_…"),
    setting("STRIPE_PRICE_ID", "the monthly price"),
    setting("MICRO_PAYMENTS", "stripe or off [stripe on the platform]"),
    secret("SLACK_SIGNING_SECRET", "support desk"),
    secret("SLACK_BOT_TOKEN", "support desk"),
    setting("SLACK_API_BASE", "support desk"),
    setting("OTEL_EXPORTER_OTLP_ENDPOINT", "traces and metrics out [off]"),
];

/// Variables that the command line reads, not the server: not ours to refuse.
pub const COMMAND_LINE: &[&str] = &[
    "MICRO_ENV",
    "MICRO_NAMESPACE",
    "MICRO_CONFIG_FILE",
    "MICRO_PROXY",
    "MICRO_OUTPUT",
    "MICRO_METADATA",
    "MICRO_ADDRESS",
    "MICRO_LOG",
    "MICRO_FAILPOINT",
    "MICRO_CLOCK_AHEAD",
];
