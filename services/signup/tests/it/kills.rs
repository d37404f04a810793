//! A real process is killed at every failpoint of the saga, and another one goes on. The table is made from the
//! saga's own steps: a new step is killed without anybody having to remember it.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_clock::TestClock;
use micro_domain::{Namespace, Plan};
use micro_error::{Error, Kind};
use micro_limits::MemoryLimiter;
use micro_mail::Mailbox;
use micro_namespaces::{IdentitiesService, NamespacesService, Wall};
use micro_proto::{
    auth::{
        EndSessionRequest, EndSessionResponse, EnsureAccountRequest, EnsureAccountResponse, SealSecretRequest,
        SealSecretResponse, Sessions, StartSessionRequest, StartSessionResponse,
    },
    billing::{
        Billing, ReadCheckoutRequest, ReadCheckoutResponse, ReadRequest, ReadResponse, RefundRequest, RefundResponse,
        StartCheckoutRequest, StartCheckoutResponse, SubscribeRequest, SubscribeResponse,
    },
};
use micro_signup::{Keys, Ports, Signup, SignupConfig, SignupLimits, SignupSaga};
use micro_storage::{Db, Urls, db::Options, jobs::Worker, saga::failpoints};
use micro_tenancy::{Caller, SystemTask};
use micro_testkit::{authority, eventually};
use secrecy::ExposeSecret;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::app::{Person, TestApp};

const SCENE: &str = "MICRO_TEST_KILLS";
const SIGABRT: i32 = 6;

/// A bank, an auth service and walls whose memory survives the process: each effect is a file.
#[derive(Clone)]
struct Scene(PathBuf);

impl Scene {
    fn note(&self, what: &str) {
        fs::write(self.0.join(what.replace('/', "_")), "").expect("noted");
    }

    fn count(&self, kind: &str) -> usize {
        let names = fs::read_dir(&self.0)
            .expect("the scene")
            .map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with(kind)).count()
    }
}

fn unasked() -> Error {
    Error::new(Kind::Unimplemented, "scene", "not asked by the saga")
}

#[async_trait]
impl Billing for Scene {
    async fn start_checkout(&self, _: &Caller, _: StartCheckoutRequest) -> Result<StartCheckoutResponse, Error> {
        Err(unasked())
    }

    async fn read_checkout(&self, _: &Caller, _: ReadCheckoutRequest) -> Result<ReadCheckoutResponse, Error> {
        Err(unasked())
    }

    async fn subscribe(&self, _: &Caller, request: SubscribeRequest) -> Result<SubscribeResponse, Error> {
        self.note(&format!("charge {} {}", request.attempt, request.r#try));
        Ok(SubscribeResponse::default())
    }

    async fn refund(&self, _: &Caller, _: RefundRequest) -> Result<RefundResponse, Error> {
        Err(unasked())
    }

    async fn read(&self, _: &Caller, _: ReadRequest) -> Result<ReadResponse, Error> {
        Err(unasked())
    }
}

#[async_trait]
impl Sessions for Scene {
    async fn start(&self, _: &Caller, _: StartSessionRequest) -> Result<StartSessionResponse, Error> {
        Err(unasked())
    }

    async fn end(&self, _: &Caller, _: EndSessionRequest) -> Result<EndSessionResponse, Error> {
        Err(unasked())
    }

    async fn seal(&self, _: &Caller, _: SealSecretRequest) -> Result<SealSecretResponse, Error> {
        Err(unasked())
    }

    async fn ensure(&self, caller: &Caller, request: EnsureAccountRequest) -> Result<EnsureAccountResponse, Error> {
        assert_eq!(request.secret_hash, "esroh tcerroc", "kept for exactly this");
        self.note(&format!(
            "account {} {}",
            caller.enter("")?.namespace().name,
            request.account
        ));
        Ok(EnsureAccountResponse::default())
    }
}

#[async_trait]
impl Wall for Scene {
    fn name(&self) -> &'static str {
        "scene"
    }

    async fn raise(&self, namespace: &Namespace) -> Result<(), Error> {
        self.note(&format!("wall {}", namespace.name));
        Ok(())
    }

    async fn lower(&self, _: &Namespace) -> Result<(), Error> {
        Err(unasked())
    }
}

/// The server's part: takes the attempt's job and goes on until the attempt is over, or it is killed.
#[tokio::test]
#[ignore = "one process of the table below"]
async fn one_process() {
    #[expect(clippy::disallowed_methods, reason = "how the table speaks to its processes")]
    let Ok(scene) = std::env::var(SCENE) else { return };
    let scene = Scene(scene.into());
    let urls = fs::read_to_string(scene.0.join("urls")).expect("written by the table");
    let mut urls = urls.lines().map(|url| url.to_owned().into());
    let mut next = || urls.next().expect("three of them");
    let urls = Urls {
        serving: next(),
        system: next(),
        owner: next(),
    };
    let options = Options {
        serving: 2,
        system: 4,
        ..Options::default()
    };
    let db = Db::connect(&urls, options).await.expect("the table's database");
    let clock = Arc::new(TestClock::default());
    // Later than the table's, which moves while it waits.
    clock.advance(time::Duration::minutes(1));
    let config = SignupConfig {
        public_url: "https://micro.example".parse().expect("a url"),
        price: Some(Plan::Developer.monthly()),
        keys: Keys::new([7; 32]),
        limits: SignupLimits::default(),
    };
    let ports = Ports {
        db: db.clone(),
        billing: Arc::new(scene.clone()),
        sessions: Arc::new(scene.clone()),
        namespaces: Arc::new(NamespacesService::new(
            db.clone(),
            clock.clone(),
            vec![Arc::new(scene.clone())],
        )),
        identities: Arc::new(IdentitiesService::new(db.clone(), clock.clone())),
        mail: Arc::new(Mailbox::new(clock.clone())),
        limits: Arc::new(MemoryLimiter::new(10)),
        clock: clock.clone(),
        authority: authority(),
    };
    let stop = CancellationToken::new();
    let worker = Signup::new(config, ports).on_jobs(Worker::new(&db, authority(), clock));
    let working = tokio::spawn(worker.run(stop.clone()));
    eventually("over", Duration::from_secs(60), async || {
        let mut tx = db.system(SystemTask::Signup).begin().await.expect("a transaction");
        let state: String = sqlx::query_scalar("select state from signup_attempts")
            .fetch_one(tx.conn())
            .await
            .expect("one attempt");
        state == "ready"
    })
    .await;
    stop.cancel();
    working.await.expect("stopped");
}

async fn run_process(scene: &Path, failpoint: Option<&str>) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "kills::one_process", "--ignored"])
        .env(SCENE, scene);
    if let Some(name) = failpoint {
        command.env("MICRO_FAILPOINT", name);
    }
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .expect("a process")
}

/// An attempt whose card is stored and whose owner has just pressed enter.
async fn ready_to_be_killed() -> TestApp {
    let mut app = TestApp::start().await;
    let secret = Person::with_card(&app, "ada@example.com").await.0.secret;
    app.stop_worker().await;
    let ada = Person {
        app: &app,
        email: "ada@example.com",
        secret,
    };
    tokio::select! {
        done = ada.complete("correct horse", "") => panic!("nobody works on it: {done:?}"),
        () = app.until_states(&["paying"]) => {}
    }
    app
}

async fn killed_at(failpoint: String) {
    let app = ready_to_be_killed().await;
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene(folder.path().to_owned());
    let Urls { serving, system, owner } = app.db.urls();
    let urls = [serving, system, owner].map(|url| url.expose_secret().to_owned());
    fs::write(scene.0.join("urls"), urls.join("\n")).expect("written");

    let killed = run_process(&scene.0, Some(&failpoint)).await;
    assert_eq!(
        killed.signal(),
        Some(SIGABRT),
        "{failpoint}: the process ran on: {killed}"
    );
    let resumed = run_process(&scene.0, None).await;
    assert!(resumed.success(), "{failpoint}: nobody went on: {resumed}");

    let effects = ["charge", "account", "wall"].map(|kind| scene.count(kind));
    assert_eq!(effects, [1, 1, 1], "{failpoint}: charges, accounts, walls");
    assert_eq!(
        app.db.ask_superuser("select state from namespaces").await,
        ["active"],
        "{failpoint}"
    );
    assert_eq!(
        (app.count("identities").await, app.count("namespace_names").await),
        (1, 1),
        "{failpoint}"
    );
    let welcome = "jobs where kind = 'signup.send_welcome' and parked_at is not null";
    assert_eq!(app.count(welcome).await, 0, "{failpoint}");
}

#[tokio::test]
async fn killed_anywhere_the_next_process_goes_on() {
    let table = failpoints::<SignupSaga>();
    assert_eq!(table.len(), 24);
    stream::iter(table).for_each_concurrent(4, killed_at).await;
}
