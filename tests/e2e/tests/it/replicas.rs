//! Two servers on one database and one Redis behave as one, whichever of them runs services, and whichever dies.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use micro_client::{Client, Endpoint};
use micro_e2e::{
    home::Home,
    mailbox,
    platform::{Options, Platform, eventually, signal},
    signup::{Customer, GOOD_CARD, password_of, sign_up, subscribe_address, walk_the_pages},
    walk::root,
};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload};
use micro_tenancy::{Caller, Metadata, tokens::SigningKey};
use micro_testkit::{RedisServer, TestDb};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc};

/// How long a change at one replica may take to be obeyed at the other.
const SEEN: Duration = Duration::from_secs(5);
/// How long it may take until one replica does alone what two did.
const TAKEN_OVER: Duration = Duration::from_secs(15);
const HELLO: [&str; 4] = ["call", "greeter", "Greeter.Hello", r#"{"name":"Ada"}"#];

/// What replicas share, and what drives them. Fields end in this order.
struct Shared {
    _blobs: TempDir,
    _db: TestDb,
    _redis: RedisServer,
    env: Vec<(String, String)>,
    runtime: Runtime,
}

impl Shared {
    /// None where no Redis is installed.
    fn new() -> Result<Option<Self>> {
        Self::over(|runtime| runtime.block_on(TestDb::new()))
    }

    fn over(database: impl FnOnce(&Runtime) -> TestDb) -> Result<Option<Self>> {
        let runtime = Runtime::new()?;
        let Some(redis) = runtime.block_on(RedisServer::start()) else {
            return Ok(None);
        };
        let db = database(&runtime);
        let blobs = tempfile::tempdir()?;
        let urls = db.urls();
        let env = [
            ("DATABASE_URL", urls.serving.expose_secret().to_owned()),
            ("MICRO_SYSTEM_DATABASE_URL", urls.system.expose_secret().to_owned()),
            ("MICRO_MIGRATE_DATABASE_URL", urls.owner.expose_secret().to_owned()),
            ("REDIS_URL", redis.url()),
            ("MICRO_BLOBS_URL", format!("file://{}", blobs.path().display())),
            (
                "MICRO_AUTH_PRIVATE_KEY",
                SigningKey::generate().to_pem().expose_secret().to_owned(),
            ),
            (
                "MICRO_CONFIG_SECRET_KEY",
                micro_config::KeyRing::generate().expose_secret().to_owned(),
            ),
        ];
        Ok(Some(Self {
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            _blobs: blobs,
            _db: db,
            _redis: redis,
            runtime,
        }))
    }

    /// The first replica, which runs services.
    fn first(&self) -> Result<Platform> {
        let first = Platform::start(Options { env: self.env.clone() })?;
        ensure!(first.log().contains("this server runs services now"), "{}", first.log());
        Ok(first)
    }

    /// One more, with the same payment provider.
    fn second(&self, first: &Platform) -> Result<Platform> {
        let mut env = self.env.clone();
        env.push(("STRIPE_API_BASE".to_owned(), format!("{}/", first.stripe())));
        let second = Platform::start(Options { env })?;
        ensure!(
            second.log().contains("another server runs services"),
            "{}",
            second.log()
        );
        Ok(second)
    }
}

/// A terminal at this replica, logged in as a customer.
fn terminal(at: &Platform, who: &Customer) -> Result<Home> {
    let home = at.home()?;
    home.run(&["login", "--email", &who.email, "--password", &who.password])?
        .ok()?;
    Ok(home)
}

/// Runs the greeter of the examples, which here says in each greeting when its process began.
fn run_greeter(home: &Home) -> Result<()> {
    let (example, own) = (root().join("examples/greeter"), tempfile::tempdir()?);
    let folder = own.path().join("greeter");
    fs::create_dir_all(folder.join("src"))?;
    fs::copy(example.join("Cargo.toml"), folder.join("Cargo.toml"))?;
    let source = fs::read_to_string(example.join("src/main.rs"))?;
    let told = source.replace(
        r#"format!("Hello {}", hello.name)"#,
        r#"format!("Hello {} since {}.", hello.name, BEGAN.as_nanos())"#,
    );
    ensure!(told != source, "the example has changed");
    fs::write(folder.join("src/main.rs"), told + BEGAN)?;
    home.run(&["run", &folder.display().to_string()])?.ok().map(drop)
}

/// What the greeter gets for it.
const BEGAN: &str = "
static BEGAN: std::sync::LazyLock<std::time::Duration> =
    std::sync::LazyLock::new(|| std::time::UNIX_EPOCH.elapsed().expect(\"after 1970\"));
";

/// Calls the greeter: which of its generations answers.
fn greets(home: &Home) -> Result<String> {
    generation(&home.run(&HELLO)?.ok()?.stdout)
}

fn generation(said: &str) -> Result<String> {
    let (_, since) = said.split_once("Hello Ada since ").with_context(|| said.to_owned())?;
    Ok(since.split_once('.').map_or(since, |(since, _)| since).to_owned())
}

/// Whichever replica is asked, at either door, this generation answers.
fn all_say(calls: [(&Platform, &Home); 2], expected: &str) -> Result<()> {
    for _ in 0..5 {
        for (at, home) in calls {
            let token = token(home)?;
            let over_http = http()?.get(hello_at(at)).bearer_auth(&token).send()?.text()?;
            for answers in [greets(home)?, generation(&over_http)?] {
                ensure!(answers == expected, "{answers} and {expected} serve");
            }
        }
    }
    Ok(())
}

fn token(home: &Home) -> Result<String> {
    Ok(home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned())
}

fn http() -> Result<reqwest::blocking::Client> {
    Ok(reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()?)
}

fn hello_at(at: &Platform) -> String {
    format!("http://{}/greeter/hello?name=Ada", at.at.api)
}

/// Signs up at one replica's terminal and another one's page.
fn sign_up_across(terminal: &Platform, page: &Platform, email: &str) -> Result<Customer> {
    let (home, password) = (terminal.home()?, password_of(email));
    let mut talk = home.start(&["signup", "--email", email, "--password", &password])?;
    talk.expect("Enter the OTP sent to your email address: ")?;
    let letter = mailbox::letter_among(&[terminal, page], email, "one-time token")?;
    talk.say(&mailbox::code(&letter)?)?;
    let address = subscribe_address(&mut talk)?.replace(&terminal.web_url(), &page.web_url());
    walk_the_pages(&address, email, &[GOOD_CARD])?;
    let done = talk.wait()?.ok()?;
    ensure!(
        format!("{}{}", done.stdout, done.stderr).contains("Signup complete!"),
        "{done:?}"
    );
    let namespace = home.run(&["user", "namespace"])?.ok()?.stdout.trim().to_owned();
    let email = email.to_owned();
    Ok(Customer {
        home,
        email,
        password,
        namespace,
    })
}

#[test]
fn two_replicas_behave_as_one() -> Result<()> {
    let Some(shared) = Shared::new()? else { return Ok(()) };
    let mut a = shared.first()?;
    let home = a.home()?;
    let ada = sign_up(&mut a, home, "ada@example.com", &[GOOD_CARD])?;
    let b = shared.second(&a)?;
    let at_b = terminal(&b, &ada)?;

    run_greeter(&at_b)?;
    ensure!(crate::crash::instances(&a)?.len() == 1, "it runs where the lease is");
    ensure!(crate::crash::instances(&b)?.is_empty(), "and nowhere else");
    all_say([(&a, &ada.home), (&b, &at_b)], &greets(&at_b)?)?;
    for home in [&ada.home, &at_b] {
        let services = home.run(&["services"])?.ok()?.stdout;
        ensure!(services.lines().any(|l| l == "greeter"), "{services}");
        let status = home.run(&["status"])?.ok()?.stdout;
        ensure!(status.contains("greeter") && status.contains("running"), "{status}");
        let logs = home.run(&["logs", "greeter"])?.ok()?;
        ensure!(!logs.stdout.is_empty(), "no log");
        for (limit, service) in [("services", "runtime"), ("nodes", "registry")] {
            ensure!(crate::account::used(home, limit, service)? == 1, "{limit} in use");
        }
    }
    let token = token(&ada.home)?;
    what_is_kept(&ada.home, &at_b)?;
    rules(&ada.home, &b)?;
    logins(&a, &b, &ada)?;
    tries_count_together(&a, &b)?;
    shared.runtime.block_on(news(&a, &b, &token))?;
    let carol = sign_up_across(&b, &a, "carol@example.com")?;
    ensure!(carol.namespace != ada.namespace, "a namespace of her own");

    ada.home.run(&["kill", "greeter"])?.ok()?;
    let gone = at_b.run(&HELLO)?;
    ensure!(gone.exit == 4, "{gone:?}");
    Ok(())
}

fn what_is_kept(at_a: &Home, at_b: &Home) -> Result<()> {
    at_a.run(&["store", "write", "k", "at a"])?.ok()?;
    let read = at_b.run(&["store", "read", "k"])?.ok()?.stdout;
    ensure!(read.contains("at a"), "{read}");

    at_a.run(&["config", "set", "greeter.words", "first"])?.ok()?;
    let mut watch = at_a.start(&["config", "watch", "greeter.words"])?;
    watch.expect("first")?;
    let began = Instant::now();
    at_b.run(&["config", "set", "greeter.words", "second"])?.ok()?;
    watch.expect("second")?;
    ensure!(began.elapsed() < SEEN * 2, "{:?}", began.elapsed());
    eprintln!(
        "a value set at the one is told at the other after {:?}",
        began.elapsed()
    );
    Ok(())
}

/// A rule that is made at the one is obeyed at the other, and one that is taken back too.
fn rules(at_a: &Home, b: &Platform) -> Result<()> {
    let stranger = || -> Result<u16> {
        let namespace = at_a.run(&["user", "namespace"])?.ok()?.stdout;
        let asked = http()?.get(hello_at(b)).header("micro-namespace", namespace.trim());
        Ok(asked.send()?.status().as_u16())
    };
    ensure!(stranger()? == 401, "closed from the start");
    for (act, status) in [
        (
            &["auth", "create", "rule", "--resource", "service:greeter:*", "open"][..],
            200,
        ),
        (&["auth", "delete", "rule", "open"], 401),
    ] {
        at_a.run(act)?.ok()?;
        let began = Instant::now();
        eventually(&format!("{act:?} obeyed"), SEEN, || {
            Ok((stranger()? == status).then_some(()))
        })?;
        eprintln!("{} {}: obeyed at the other after {:?}", act[1], act[2], began.elapsed());
    }
    Ok(())
}

fn logins(a: &Platform, b: &Platform, ada: &Customer) -> Result<()> {
    let leaving = terminal(a, ada)?;
    let token = token(&leaving)?;
    let url = format!("http://{}/store/Store/Databases", b.at.api);
    let ask = || Ok::<_, anyhow::Error>(http()?.get(&url).bearer_auth(&token).send()?.status().as_u16());
    ensure!(ask()? == 200, "logged in");
    leaving.run(&["logout"])?.ok()?;
    let began = Instant::now();
    eventually("the login has ended there too", SEEN, || {
        Ok((ask()? == 401).then_some(()))
    })?;
    eprintln!("a logout at the one is obeyed at the other after {:?}", began.elapsed());
    Ok(())
}

/// Wrong secrets are counted by both.
fn tries_count_together(a: &Platform, b: &Platform) -> Result<()> {
    let mut answers = HashMap::new();
    for n in 0..12 {
        let at = if n % 2 == 0 { a } else { b };
        let url = format!("http://{}/auth/Auth/Token", at.at.api);
        let wrong = json!({ "id": "nobody@example.com", "secret": format!("guess {n}"), "options": {} });
        let status = http()?.post(url).json(&wrong).send()?.status().as_u16();
        *answers.entry(status).or_insert(0) += 1;
    }
    ensure!(
        answers.get(&429).is_some_and(|n| *n >= 1),
        "each counts for itself: {answers:?}"
    );
    Ok(())
}

fn client(at: &Platform) -> Result<Client> {
    Ok(Client::new(Endpoint::parse(&at.at.proxy.to_string())?))
}

fn caller(token: &str) -> Caller {
    Caller::outgoing(Some(token.into()), Metadata::new())
}

/// Events that each member was given.
type Handled = Arc<Mutex<Vec<String>>>;

/// A member of a group: takes each event, and says so.
async fn member(at: Client, caller: Caller, handled: Handled) -> Result<()> {
    let (acks, more) = mpsc::channel::<Bytes>(64);
    let wanted = json!({ "topic": "orders", "group": "shop", "ack_wait": "2000000000" });
    acks.send(wanted.to_string().into()).await?;
    let requests = futures::stream::unfold(more, |mut more| async { Some((Ok(more.recv().await?), more)) });
    let consume = Outgoing {
        path: "/events.Stream/Consume".into(),
        codec: Codec::Json,
        kind: MethodKind::Bidi,
        payload: Payload::Many(Box::pin(requests)),
    };
    let mut events = at.call(&caller, consume).await?.frames();
    while let Some(Ok(event)) = events.next().await {
        let event: Value = serde_json::from_slice(&event)?;
        let id = event["id"].as_str().context("an id")?;
        handled.lock().expect("unpoisoned").push(event["payload"].to_string());
        acks.send(json!({ "id": id, "success": true }).to_string().into())
            .await?;
    }
    Ok(())
}

async fn publish(at: &Client, caller: &Caller, service: &str, n: usize) -> Result<()> {
    let payload = format!("{n:08}");
    let (endpoint, message) = match service {
        "events" => ("Stream.Publish", json!({ "topic": "orders", "payload": payload })),
        _ => (
            "Broker.Publish",
            json!({ "topic": "news", "message": { "body": payload } }),
        ),
    };
    at.call_json(caller, service, endpoint, message.to_string().into())
        .await?;
    Ok(())
}

/// Messages and events from one replica to subscribers at the other; each event is handled by one member of its group.
async fn news(a: &Platform, b: &Platform, token: &str) -> Result<()> {
    const EVENTS: usize = 40;
    let (at_a, at_b, ada) = (client(a)?, client(b)?, caller(token));
    let subscribe = json!({ "topic": "news" }).to_string();
    let mut heard = at_b
        .stream_json(&ada, "broker", "Broker.Subscribe", subscribe.into())
        .await?;
    // Fire and forget: said until somebody hears it.
    let said = async {
        for n in 0.. {
            publish(&at_a, &ada, "broker", n).await?;
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    let told = async {
        tokio::select! {
            said = said => said,
            message = heard.next() => message.context("the subscription ended")?.map(drop).map_err(Into::into),
        }
    };
    tokio::time::timeout(SEEN, told)
        .await
        .context("nothing is heard at the other")??;

    let (one, other) = (Handled::default(), Handled::default());
    let members = [
        tokio::spawn(member(at_a.clone(), ada.clone(), one.clone())),
        tokio::spawn(member(at_b.clone(), ada.clone(), other.clone())),
    ];
    for n in 0..EVENTS {
        let at = if n % 2 == 0 { &at_a } else { &at_b };
        publish(at, &ada, "events", n).await?;
    }
    let all = || {
        let mut all = [&one, &other].map(|h| h.lock().expect("unpoisoned").clone()).concat();
        all.sort();
        all
    };
    micro_testkit::eventually("every event is handled", Duration::from_secs(20), || async {
        all().len() >= EVENTS
    })
    .await;
    let (mut unique, shares) = (all(), [&one, &other].map(|h| h.lock().expect("unpoisoned").len()));
    unique.dedup();
    ensure!(
        unique.len() == EVENTS && all().len() == EVENTS,
        "handled twice: {:?}",
        all()
    );
    eprintln!("of {EVENTS} events the members handled {shares:?}");
    for member in members {
        member.abort();
    }
    Ok(())
}

/// Writes until it is told to stop; how many were acknowledged.
fn writes(home: &Home, from: usize, until: impl Fn() -> bool) -> Result<usize> {
    let mut number = from;
    while !until() {
        if home.run(&["store", "write", &format!("kept-{number}"), "x"])?.exit == 0 {
            number += 1;
        }
    }
    Ok(number)
}

fn all_are_kept(home: &Home, written: usize) -> Result<()> {
    let listed = home
        .run(&["store", "list", "--prefix", "kept-", "--limit", "10000"])?
        .ok()?
        .stdout;
    let there: Vec<_> = listed.lines().collect();
    for n in 0..written {
        ensure!(
            there.contains(&format!("kept-{n}").as_str()),
            "kept-{n} was acknowledged: {there:?}"
        );
    }
    Ok(())
}

/// A group of consumers with a member at each replica, and what was published for it.
struct Group {
    handled: Handled,
    published: Vec<String>,
}

impl Group {
    fn join(&self, shared: &Shared, at: &Platform, token: &str) -> Result<()> {
        // It ends with its replica.
        shared
            .runtime
            .spawn(member(client(at)?, caller(token), self.handled.clone()));
        Ok(())
    }

    /// Publishes a few more; only what was acknowledged counts.
    fn publish(&mut self, shared: &Shared, at: &Platform, token: &str) -> Result<()> {
        let (at, caller) = (client(at)?, caller(token));
        for _ in 0..20 {
            let n = self.published.len();
            shared.runtime.block_on(publish(&at, &caller, "events", n))?;
            self.published.push(format!("\"{n:08}\""));
        }
        Ok(())
    }

    fn all_are_handled(&self) -> Result<()> {
        eventually("every acknowledged event is handled", TAKEN_OVER * 2, || {
            let handled = self.handled.lock().expect("unpoisoned");
            Ok(self.published.iter().all(|n| handled.contains(n)).then_some(()))
        })
    }
}

/// What a customer does all the while.
struct Life {
    written: usize,
    group: Group,
}

/// Kills the one that runs services; the other one does alone what two did.
fn outlive(
    shared: &Shared,
    (dying, other): (&mut Platform, &Home),
    (living, home): (&Platform, &Home),
    life: &mut Life,
) -> Result<()> {
    let orphans = crate::crash::instances(dying)?;
    ensure!(orphans.len() == 1, "{orphans:?}");
    let token = token(home)?;
    life.group.join(shared, dying, &token)?;
    life.group.join(shared, living, &token)?;
    life.group.publish(shared, dying, &token)?;
    dying.kill()?;
    let killed = Instant::now();
    life.group.publish(shared, living, &token)?;
    let serves = eventually("it is called through the other", TAKEN_OVER, || Ok(greets(home).ok()))?;
    eprintln!("the other has taken over after {:?}", killed.elapsed());
    ensure!(crate::crash::instances(living)?.len() == 1, "{}", living.log());
    all_are_kept(home, life.written)?;
    life.written = writes(home, life.written, || killed.elapsed() > Duration::from_millis(1_500))?;
    life.group.all_are_handled()?;
    eprintln!("and every event is handled after {:?}", killed.elapsed());

    dying.boot()?;
    ensure!(
        crate::crash::instances(dying)?.is_empty(),
        "two generations run: {}",
        dying.log()
    );
    ensure!(crate::crash::instances(living)?.len() == 1, "{}", living.log());
    all_say([(dying, other), (living, home)], &serves)
}

#[test]
fn either_replica_may_die() -> Result<()> {
    let Some(shared) = Shared::new()? else { return Ok(()) };
    let mut a = shared.first()?;
    let home = a.home()?;
    let ada = sign_up(&mut a, home, "ada@example.com", &[GOOD_CARD])?;
    let mut b = shared.second(&a)?;
    let at_b = terminal(&b, &ada)?;
    run_greeter(&at_b)?;
    greets(&ada.home)?;
    let began = Instant::now();
    let mut life = Life {
        written: writes(&ada.home, 0, || began.elapsed() > Duration::from_secs(1))?,
        group: Group {
            handled: Handled::default(),
            published: vec![],
        },
    };

    outlive(&shared, (&mut a, &ada.home), (&b, &at_b), &mut life)?;
    outlive(&shared, (&mut b, &at_b), (&a, &ada.home), &mut life)?;
    all_are_kept(&at_b, life.written)?;

    // Asked to stop, the one that runs services hands them over at once.
    signal(a.at.pid, "INT")?;
    let asked = Instant::now();
    eventually("the other serves", TAKEN_OVER, || Ok(greets(&at_b).ok()))?;
    eprintln!("handed over after {:?}", asked.elapsed());
    let status = a.wait_end(Duration::from_secs(10))?;
    ensure!(status.code() == Some(0), "{status}: {}", a.log());
    ensure!(crate::crash::instances(&a)?.is_empty(), "orphans");
    Ok(())
}

#[test]
fn a_leader_that_was_stopped_for_a_while_leaves_its_services_to_the_next() -> Result<()> {
    let Some(shared) = Shared::new()? else { return Ok(()) };
    let mut a = shared.first()?;
    let home = a.home()?;
    let ada = sign_up(&mut a, home, "ada@example.com", &[GOOD_CARD])?;
    let b = shared.second(&a)?;
    let at_b = terminal(&b, &ada)?;
    run_greeter(&at_b)?;

    let old = greets(&at_b)?;
    signal(a.at.pid, "STOP")?;
    let stopped = Instant::now();
    let new = eventually("the other has taken over", TAKEN_OVER, || Ok(greets(&at_b).ok()))?;
    eprintln!("taken over from one that says nothing after {:?}", stopped.elapsed());
    ensure!(new != old, "it was not stopped");
    ensure!(crate::crash::instances(&a)?.len() == 1, "the old generation waits");

    signal(a.at.pid, "CONT")?;
    all_say([(&a, &ada.home), (&b, &at_b)], &new)?;
    eventually("one generation is left", Duration::from_secs(10), || {
        Ok(crate::crash::instances(&a)?.is_empty().then_some(()))
    })?;
    ensure!(crate::crash::instances(&b)?.len() == 1, "{}", b.log());
    Ok(())
}

#[test]
fn replicas_that_start_at_once_on_an_empty_database_agree() -> Result<()> {
    let Some(shared) = Shared::over(|runtime| runtime.block_on(TestDb::empty()))? else {
        return Ok(());
    };
    let start = || {
        Platform::start(Options {
            env: shared.env.clone(),
        })
    };
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(start);
        (start(), other.join().expect("no panic"))
    });
    let (a, b) = (a?, b?);
    let lead = |at: &Platform| at.log().contains("this server runs services now");
    ensure!(lead(&a) != lead(&b), "{}\n{}", a.log(), b.log());
    let secrets = [&a, &b].map(|at| at.banner().contains("operator secret"));
    ensure!(
        secrets[0] != secrets[1],
        "one secret, printed once: {}\n{}",
        a.banner(),
        b.banner()
    );
    Ok(())
}
