//! What must hold between settings, per profile; and what is not built yet, which is refused with a sentence.

use std::{net::IpAddr, path::PathBuf};

use secrecy::ExposeSecret;
use url::Host;

use super::{
    Config, Confinement, Database, Mail, Payments, Profile, Tls,
    reader::Reader,
    sources::{Machine, Problems},
};

#[derive(Clone, Copy, PartialEq)]
enum TlsWord {
    Built(Tls),
    NotBuilt,
}

pub(super) fn check(read: Reader, machine: &Machine) -> Result<Config, Problems> {
    refuse_what_is_not_built(&read);
    let profile = profile(&read);
    let tls = tls(&read);
    let bare_host = if tls == Tls::Off { "127.0.0.1" } else { "0.0.0.0" };
    let mut notices = vec![];
    let admin_default = if profile.is_platform() {
        Some("127.0.0.1:8090")
    } else {
        None
    };
    let admin_address = read
        .word("MICRO_ADMIN_ADDRESS")
        .or(admin_default)
        .map(|_| read.address("MICRO_ADMIN_ADDRESS", "127.0.0.1:8090", "127.0.0.1"));
    let mut config = Config {
        profile,
        environment: environment(&read),
        public_url: read.url("MICRO_PUBLIC_URL"),
        data_dir: data_dir(&read, machine),
        cache_dir: if machine.root {
            "/var/cache/micro".into()
        } else {
            machine.home.join(".cache/micro")
        },
        api_address: read.address("MICRO_API_ADDRESS", ":8080", bare_host),
        proxy_address: read.address("MICRO_PROXY_ADDRESS", ":8081", bare_host),
        web_address: read.address("MICRO_WEB_ADDRESS", ":8082", bare_host),
        network_address: read.address("MICRO_NETWORK_ADDRESS", ":8443", bare_host),
        advertise_address: advertised(&read),
        admin_address,
        tls,
        config_secret_key: read.secret("MICRO_CONFIG_SECRET_KEY"),
        auth_private_key: read.secret("MICRO_AUTH_PRIVATE_KEY"),
        database: database(&read, profile, &mut notices),
        redis_url: read.secret("REDIS_URL"),
        blobs_dir: blobs_dir(&read),
        mail: mail(&read),
        build_egress: read
            .word("MICRO_BUILD_EGRESS")
            .map(|w| list(w, ','))
            .unwrap_or_default(),
        sandbox: read.choice(
            "MICRO_SANDBOX",
            if profile.is_platform() {
                Confinement::Required
            } else {
                Confinement::Off
            },
            &[("required", Confinement::Required), ("off", Confinement::Off)],
        ),
        toolchains: read
            .word("MICRO_TOOLCHAINS")
            .map(|w| list(w, ':'))
            .unwrap_or_default()
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        payments: payments(&read, profile),
        otlp_endpoint: read.url("OTEL_EXPORTER_OTLP_ENDPOINT"),
        notices,
    };
    if profile.is_platform() {
        check_platform(&read, &config);
    }
    if config.may_have_replicas() {
        check_replicas(&read, &mut config);
    }
    let problems = read.into_problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(Problems(problems))
    }
}

fn refuse_what_is_not_built(read: &Reader) {
    for (env, what) in [
        ("MICRO_APPS_DOMAIN", "tenants' web content on a domain of its own"),
        ("MICRO_TRUSTED_PROXIES", "believing a proxy's X-Forwarded-For"),
        ("SLACK_SIGNING_SECRET", "the support desk in Slack"),
        ("SLACK_BOT_TOKEN", "the support desk in Slack"),
        ("SLACK_API_BASE", "the support desk in Slack"),
    ] {
        if read.word(env).is_some() {
            read.problem(format!("{env}: {what} is not built yet; leave it unset"));
        }
    }
}

fn profile(read: &Reader) -> Profile {
    if read.word("MICRO_PROFILE") == Some("kubernetes") {
        read.problem("MICRO_PROFILE=kubernetes: running tenants' services in a cluster is not built yet; use platform");
        return Profile::Platform;
    }
    let words = [
        ("local", Profile::Local),
        ("test", Profile::Test),
        ("platform", Profile::Platform),
    ];
    read.choice("MICRO_PROFILE", Profile::Local, &words)
}

fn tls(read: &Reader) -> Tls {
    let words = [
        ("off", TlsWord::Built(Tls::Off)),
        ("terminated", TlsWord::Built(Tls::Terminated)),
        ("auto", TlsWord::NotBuilt),
        ("files", TlsWord::NotBuilt),
    ];
    match read.choice("MICRO_TLS", TlsWord::Built(Tls::Off), &words) {
        TlsWord::Built(tls) => tls,
        TlsWord::NotBuilt => {
            read.problem("MICRO_TLS: serving TLS itself is not built yet; use terminated behind a load balancer");
            Tls::Off
        }
    }
}

fn environment(read: &Reader) -> String {
    let word = read.word("MICRO_ENVIRONMENT").unwrap_or("local");
    if word.len() > 63
        || !word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        read.problem(format!(
            "MICRO_ENVIRONMENT is {word:?}; use up to 63 lower-case letters, digits and dashes"
        ));
    }
    word.to_owned()
}

fn data_dir(read: &Reader, machine: &Machine) -> PathBuf {
    match read.word("MICRO_DATA_DIR") {
        Some(word) => {
            let path = PathBuf::from(word);
            if !path.is_absolute() {
                read.problem(format!("MICRO_DATA_DIR is {word:?}; give the whole path, from /"));
            }
            path
        }
        None if machine.root => PathBuf::from("/var/lib/micro"),
        None => machine.home.join(".micro/server"),
    }
}

fn database(read: &Reader, profile: Profile, notices: &mut Vec<String>) -> Option<Database> {
    let names = [
        "DATABASE_URL",
        "MICRO_SYSTEM_DATABASE_URL",
        "MICRO_MIGRATE_DATABASE_URL",
    ];
    let [serving, system, migrate] = names.map(|n| read.secret(n));
    if !profile.is_platform() {
        if serving.is_some() {
            notices.push(format!(
                "DATABASE_URL is set, but profile {} keeps its data in one file",
                profile.as_str()
            ));
        }
        return None;
    }
    match (serving, system, migrate) {
        (None, None, None) => None,
        (Some(serving), Some(system), Some(migrate)) => {
            for (name, url) in names.iter().zip([&serving, &system, &migrate]) {
                if !url.expose_secret().starts_with("postgres") {
                    read.problem(format!("{name} is not a postgres:// address"));
                }
            }
            for key in ["MICRO_CONFIG_SECRET_KEY", "MICRO_AUTH_PRIVATE_KEY"] {
                if read.word(key).is_none() {
                    read.problem(format!("{key} is missing: with a database of your own the keys must be given, so that every replica has the same"));
                }
            }
            Some(Database {
                serving,
                system,
                migrate,
            })
        }
        _ => {
            let missing: Vec<_> = names.into_iter().filter(|n| read.word(n).is_none()).collect();
            read.problem(format!(
                "{} missing: a database takes all three logins",
                missing.join(" and ")
            ));
            None
        }
    }
}

/// A host without a port, as it stands before one.
fn advertised(read: &Reader) -> Option<String> {
    let word = read.word("MICRO_ADVERTISE_ADDRESS")?;
    if let Ok(ip) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !word.bytes().all(is_name) {
        read.problem(format!(
            "MICRO_ADVERTISE_ADDRESS is {word:?}; give a host name or an IP address, without a port"
        ));
    }
    Some(word.to_owned())
}

/// Several servers on one database must find each other, and what each of them stores.
fn check_replicas(read: &Reader, config: &mut Config) {
    if config.blobs_dir.is_none() {
        read.problem("MICRO_BLOBS_URL is missing: with DATABASE_URL and REDIS_URL there may be several servers, which keep sources and artifacts in one place");
    }
    let doors = [config.api_address, config.proxy_address];
    if config.advertise_address.is_none() && doors.iter().any(|door| door.ip().is_unspecified()) {
        read.problem("MICRO_ADVERTISE_ADDRESS is missing: with DATABASE_URL and REDIS_URL there may be several servers, and the doors of this one are open on every address: say under which host the others reach it");
    }
    if doors.iter().any(|door| !door.ip().is_loopback()) {
        let text =
            "servers on one database pass calls on to each other without TLS: keep the network between them private";
        config.notices.push(text.to_owned());
    }
}

fn blobs_dir(read: &Reader) -> Option<PathBuf> {
    let word = read.word("MICRO_BLOBS_URL")?;
    let path = word
        .strip_prefix("file://")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute());
    if path.is_none() {
        read.problem(format!("MICRO_BLOBS_URL is {word:?}; only file:///… is built yet"));
    }
    path
}

fn mail(read: &Reader) -> Mail {
    match (read.secret("SMTP_URL"), read.word("MAIL_FROM")) {
        (Some(url), Some(from)) => {
            if !url.expose_secret().starts_with("smtp://") && !url.expose_secret().starts_with("smtps://") {
                read.problem("SMTP_URL must start with smtp:// or smtps://");
            }
            Mail::Smtp {
                url,
                from: from.to_owned(),
            }
        }
        (Some(_), None) => {
            read.problem("MAIL_FROM is missing: mails need a sender, such as Micro <hello@example.com>");
            Mail::Mailbox
        }
        (None, Some(_)) => {
            read.problem("SMTP_URL is missing, but MAIL_FROM is set");
            Mail::Mailbox
        }
        (None, None) => Mail::Mailbox,
    }
}

fn payments(read: &Reader, profile: Profile) -> Payments {
    let wanted = read.choice(
        "MICRO_PAYMENTS",
        profile.is_platform(),
        &[("stripe", true), ("off", false)],
    );
    if !wanted || !profile.is_platform() {
        return Payments::Off;
    }
    let api_base = read.url("STRIPE_API_BASE");
    let values = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_PRICE_ID"].map(|n| (n, read.word(n)));
    for (name, value) in &values {
        if value.is_none() {
            read.problem(format!(
                "{name} is missing (or set MICRO_PAYMENTS=off for a free environment)"
            ));
        }
    }
    match values.map(|(_, v)| v) {
        [Some(secret), Some(webhook), Some(price)] => {
            if !secret.starts_with("sk_") && !secret.starts_with("rk_") {
                read.problem("STRIPE_SECRET_KEY must start with sk_ or rk_");
            }
            if !webhook.starts_with("whsec_") {
                read.problem("STRIPE_WEBHOOK_SECRET must start with whsec_");
            }
            Payments::Stripe {
                api_base,
                secret_key: secret.into(),
                publishable_key: read.word("STRIPE_PUBLISHABLE_KEY").map(str::to_owned),
                webhook_secret: webhook.into(),
                price_id: price.to_owned(),
            }
        }
        _ => Payments::Off,
    }
}

fn check_platform(read: &Reader, config: &Config) {
    let public = config.public_url.as_ref();
    let public_is_local = public.is_none_or(|url| match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    });
    let doors = [
        ("MICRO_API_ADDRESS", config.api_address),
        ("MICRO_PROXY_ADDRESS", config.proxy_address),
        ("MICRO_WEB_ADDRESS", config.web_address),
        ("MICRO_NETWORK_ADDRESS", config.network_address),
    ];
    if config.tls == Tls::Off {
        for (name, address) in doors.iter().filter(|(_, a)| !a.ip().is_loopback()) {
            read.problem(format!(
                "{name} is {address}, open to the network without TLS: set MICRO_TLS or a loopback address"
            ));
        }
    }
    if let Some(address) = config.admin_address.filter(|a| !a.ip().is_loopback()) {
        read.problem(format!(
            "MICRO_ADMIN_ADDRESS is {address}: the operators' door opens on loopback only"
        ));
    }
    let mailbox_is_private = config.tls == Tls::Off && config.web_address.ip().is_loopback() && public_is_local;
    if matches!(config.mail, Mail::Mailbox) && !mailbox_is_private {
        read.problem("SMTP_URL is missing: a mailbox page would show everybody's mail to the network");
    }
}

fn list(word: &str, separator: char) -> Vec<String> {
    word.split(separator)
        .map(str::trim)
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}
