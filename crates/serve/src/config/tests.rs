use super::*;

fn machine() -> Machine {
    Machine {
        home: "/home/ada".into(),
        root: false,
    }
}

fn read(env: &[(&str, &str)]) -> Result<Config, Problems> {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::read(
        &Sources {
            env,
            ..Sources::default()
        },
        &machine(),
    )
}

fn problems(env: &[(&str, &str)]) -> Vec<String> {
    read(env).expect_err("refused").0
}

const STRIPE: [(&str, &str); 4] = [
    ("MICRO_PROFILE", "platform"),
    ("STRIPE_SECRET_KEY", "sk_test_1"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
    ("STRIPE_PRICE_ID", "price_1"),
];

fn platform(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    STRIPE.iter().chain(more).copied().collect()
}

#[test]
fn nothing_said_is_a_local_server() {
    let config = read(&[]).expect("the defaults are valid");
    assert_eq!(config.profile, Profile::Local);
    assert_eq!(config.proxy_address.to_string(), "127.0.0.1:8081");
    assert_eq!(config.data_dir.to_str(), Some("/home/ada/.micro/server"));
    assert_eq!((config.admin_address, config.sandbox), (None, Confinement::Off));
    let root = Machine {
        root: true,
        ..machine()
    };
    assert_eq!(
        Config::read(&Sources::default(), &root)
            .expect("valid")
            .data_dir
            .to_str(),
        Some("/var/lib/micro")
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let said = problems(&[
        ("MICRO_PROFILE", "platfrom"),
        ("MICRO_DATA_DIRR", "/x"),
        ("MICRO_PROXY_ADDRESS", "nowhere"),
        ("SMTP_URL", "smtp://mail"),
    ]);
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(
        said[0].contains("MICRO_DATA_DIRR") && said[0].contains("did you mean MICRO_DATA_DIR?"),
        "{}",
        said[0]
    );
    assert!(
        said.iter()
            .any(|p| p.contains("platfrom") && p.contains("local, test, platform"))
    );
}

#[test]
fn flags_win_over_environment_and_environment_over_the_file() {
    let sources = |flag: bool, env: bool| Sources {
        flags: flag
            .then(|| ("environment".into(), "flag".into()))
            .into_iter()
            .collect(),
        env: env
            .then(|| ("MICRO_ENVIRONMENT".into(), "env".into()))
            .into_iter()
            .collect(),
        file: Some(("micro.toml".into(), "environment = \"file\"".into())),
    };
    let environment = |s: &Sources| Config::read(s, &machine()).expect("valid").environment;
    assert_eq!(environment(&sources(true, true)), "flag");
    assert_eq!(environment(&sources(false, true)), "env");
    assert_eq!(environment(&sources(false, false)), "file");
}

#[test]
fn a_key_that_the_file_invents_is_refused() {
    let file = Some(("micro.toml".into(), "profil = \"local\"\n[web]\naddress = 1".into()));
    let said = Config::read(
        &Sources {
            file,
            ..Sources::default()
        },
        &machine(),
    )
    .expect_err("refused")
    .0;
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn the_platform_names_what_it_misses() {
    let said = problems(&[("MICRO_PROFILE", "platform")]);
    for name in ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_PRICE_ID"] {
        assert!(said.iter().any(|p| p.starts_with(name)), "{name} in {said:#?}");
    }
    assert!(read(&[("MICRO_PROFILE", "platform"), ("MICRO_PAYMENTS", "off")]).is_ok());
    let config = read(&platform(&[])).expect("complete");
    assert_eq!(
        config.admin_address.map(|a| a.to_string()).as_deref(),
        Some("127.0.0.1:8090")
    );
    assert_eq!(config.sandbox, Confinement::Required);
}

#[test]
fn the_platform_is_not_open_without_tls() {
    let said = problems(&platform(&[("MICRO_WEB_ADDRESS", "0.0.0.0:80")]));
    assert!(said.iter().any(|p| p.starts_with("MICRO_WEB_ADDRESS")), "{said:#?}");
    assert!(
        said.iter().any(|p| p.starts_with("SMTP_URL")),
        "the mailbox is not for the network: {said:#?}"
    );
    let behind = platform(&[
        ("MICRO_TLS", "terminated"),
        ("SMTP_URL", "smtp://m"),
        ("MAIL_FROM", "a@b.de"),
    ]);
    assert_eq!(read(&behind).expect("valid").web_address.to_string(), "0.0.0.0:8082");
    assert!(
        read(&platform(&[("MICRO_PUBLIC_URL", "https://micro.example")])).is_err(),
        "mail is missing"
    );
}

#[test]
fn a_database_takes_three_logins_and_given_keys() {
    let one = problems(&platform(&[("DATABASE_URL", "postgres://x")]));
    assert!(
        one[0].contains("MICRO_SYSTEM_DATABASE_URL and MICRO_MIGRATE_DATABASE_URL"),
        "{one:#?}"
    );
    let three = [
        ("DATABASE_URL", "postgres://x"),
        ("MICRO_SYSTEM_DATABASE_URL", "postgres://y"),
        ("MICRO_MIGRATE_DATABASE_URL", "postgres://z"),
    ];
    assert_eq!(problems(&platform(&three)).len(), 2, "two keys");
    let local = read(&three).expect("ignored");
    assert!(local.database.is_none() && local.notices[0].contains("DATABASE_URL"));
}

#[test]
fn what_is_not_built_is_refused_with_a_sentence() {
    for (name, word) in [
        ("MICRO_PROFILE", "kubernetes"),
        ("MICRO_TLS", "auto"),
        ("MICRO_TLS", "files"),
        ("MICRO_APPS_DOMAIN", "apps.example"),
        ("MICRO_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("SLACK_BOT_TOKEN", "xoxb-1"),
        ("MICRO_BLOBS_URL", "s3://bucket"),
    ] {
        assert!(
            problems(&[(name, word)]).iter().any(|p| p.starts_with(name)),
            "{name}={word}"
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", read(&platform(&[])).expect("valid"));
    assert!(!shown.contains("sk_test_1") && !shown.contains("whsec_1"), "{shown}");
}

#[test]
fn replicas_must_find_each_other_and_what_each_of_them_stores() {
    let replica = |more: &[(&'static str, &'static str)]| {
        let shared = [
            ("DATABASE_URL", "postgres://x"),
            ("MICRO_SYSTEM_DATABASE_URL", "postgres://y"),
            ("MICRO_MIGRATE_DATABASE_URL", "postgres://z"),
            ("MICRO_CONFIG_SECRET_KEY", "k"),
            ("MICRO_AUTH_PRIVATE_KEY", "k"),
            ("REDIS_URL", "redis://r"),
        ];
        platform(&[&shared[..], more].concat())
    };
    let said = problems(&replica(&[]));
    assert!(said.len() == 1 && said[0].starts_with("MICRO_BLOBS_URL"), "{said:#?}");
    let blobs = ("MICRO_BLOBS_URL", "file:///blobs");
    let here = read(&replica(&[blobs])).expect("on loopback");
    assert!(
        here.may_have_replicas() && here.notices.is_empty(),
        "{:#?}",
        here.notices
    );

    let open = [
        blobs,
        ("MICRO_TLS", "terminated"),
        ("SMTP_URL", "smtp://m"),
        ("MAIL_FROM", "a@b.de"),
        ("MICRO_PUBLIC_URL", "https://micro.test"),
    ];
    let said = problems(&replica(&open));
    assert!(
        said.len() == 1 && said[0].starts_with("MICRO_ADVERTISE_ADDRESS"),
        "{said:#?}"
    );
    for (given, host) in [
        ("10.0.0.7", Some("10.0.0.7")),
        ("fd00::7", Some("[fd00::7]")),
        ("replica-1.internal", Some("replica-1.internal")),
        ("10.0.0.7:8081", None),
        ("http://replica", None),
    ] {
        let env = replica(&[&open[..], &[("MICRO_ADVERTISE_ADDRESS", given)]].concat());
        let config = read(&env).ok();
        assert_eq!(
            config.as_ref().and_then(|c| c.advertise_address.as_deref()),
            host,
            "{given}"
        );
        let told = config.is_none_or(|c| c.notices.iter().any(|n| n.contains("private")));
        assert!(told, "calls between them are not encrypted");
    }
    let alone = read(&platform(&[("REDIS_URL", "redis://r")])).expect("its own database");
    assert!(!alone.may_have_replicas());
}
