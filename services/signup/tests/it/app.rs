//! The whole of sign-up with its worker running, and a person at a terminal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use micro_clock::TestClock;
use micro_domain::{Email, Namespace, Plan};
use micro_error::{Error, Kind};
use micro_limits::MemoryLimiter;
use micro_mail::Mailbox;
use micro_namespaces::{IdentitiesService, NamespacesService, Wall};
use micro_proto::signup::{
    CompleteRequest, CompleteResponse, ConfirmRequest, ConfirmResponse, FinishPageRequest, Page, Pages,
    ReadLinkRequest, Session, StartPageRequest, StartRequest,
};
use micro_signup::{Keys, Ports, Signup, SignupConfig, SignupLimits};
use micro_storage::{Db, jobs::Worker};
use micro_tenancy::{Caller, Metadata, SystemTask};
use micro_testkit::{TestDb, authority, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{bank::Bank, doorkeeper::Doorkeeper};

/// A wall that falls over as often as it is told to, after it was raised.
#[derive(Clone, Default)]
pub struct ShakyWall(Arc<AtomicU32>);

impl ShakyWall {
    pub fn fail_next(&self, times: u32) {
        self.0.store(times, Ordering::SeqCst);
    }
}

#[async_trait]
impl Wall for ShakyWall {
    fn name(&self) -> &'static str {
        "shaky"
    }

    async fn raise(&self, _: &Namespace) -> Result<(), Error> {
        match self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        {
            Ok(_) => Err(Error::new(Kind::Unavailable, "wall", "it fell over")),
            Err(_) => Ok(()),
        }
    }

    async fn lower(&self, _: &Namespace) -> Result<(), Error> {
        Ok(())
    }
}

pub struct TestApp {
    pub signup: Signup,
    pub mail: Mailbox,
    pub bank: Bank,
    pub auth: Doorkeeper,
    pub wall: ShakyWall,
    pub clock: TestClock,
    pub db: TestDb,
    stop: CancellationToken,
    working: JoinHandle<()>,
}

impl TestApp {
    pub async fn start() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        Self::over(test, db, true)
    }

    /// Nothing is charged.
    pub async fn free() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        Self::over(test, db, false)
    }

    pub fn over(test: TestDb, db: Db, paid: bool) -> Self {
        let (clock, bank, auth, wall) = (
            TestClock::default(),
            Bank::default(),
            Doorkeeper::default(),
            ShakyWall::default(),
        );
        let mail = Mailbox::new(Arc::new(clock.clone()));
        let config = SignupConfig {
            public_url: "https://micro.example".parse().expect("a url"),
            price: paid.then(|| Plan::Developer.monthly()),
            keys: Keys::new([7; 32]),
            limits: SignupLimits::default(),
        };
        let ports = Ports {
            db: db.clone(),
            billing: Arc::new(bank.clone()),
            sessions: Arc::new(auth.clone()),
            namespaces: Arc::new(NamespacesService::new(
                db.clone(),
                Arc::new(clock.clone()),
                vec![Arc::new(wall.clone())],
            )),
            identities: Arc::new(IdentitiesService::new(db.clone(), Arc::new(clock.clone()))),
            mail: Arc::new(mail.clone()),
            limits: Arc::new(MemoryLimiter::new(1_000)),
            clock: Arc::new(clock.clone()),
            authority: authority(),
        };
        let signup = Signup::new(config, ports);
        let stop = CancellationToken::new();
        let worker = signup.on_jobs(Worker::new(&db, authority(), Arc::new(clock.clone())));
        let working = tokio::spawn(worker.run(stop.clone()));
        Self {
            signup,
            mail,
            bank,
            auth,
            wall,
            clock,
            db: test,
            stop,
            working,
        }
    }

    /// From here on nobody does jobs.
    pub async fn stop_worker(&mut self) {
        self.stop.cancel();
        (&mut self.working).await.expect("stopped");
    }

    /// The newest letter to an address whose text holds `words`.
    pub async fn letter(&self, to: &str, words: &str) -> String {
        let to = Email::parse(to).expect("valid");
        let find = || self.mail.last_to(&to).filter(|letter| letter.text().contains(words));
        eventually("mailed", Duration::from_secs(20), async || find().is_some()).await;
        find().expect("just seen").text().to_owned()
    }

    pub async fn states(&self) -> Vec<String> {
        self.db
            .ask_superuser("select state from signup_attempts order by started_at, attempt_id")
            .await
    }

    /// How many of these there are in the database.
    pub async fn count(&self, what: &str) -> usize {
        let said = self
            .db
            .ask_superuser(&format!("select count(*)::text from {what}"))
            .await;
        said[0].parse().expect("a number")
    }

    /// Lets the clock run until the attempts are in these states.
    pub async fn until_states(&self, states: &[&str]) {
        eventually(&format!("in states {states:?}"), Duration::from_secs(30), async || {
            self.clock.advance(time::Duration::SECOND);
            self.states().await == states
        })
        .await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn platform() -> Caller {
    authority().system(SystemTask::Signup)
}

/// Somebody at a terminal.
pub fn somebody() -> Caller {
    Caller::anonymous().with_metadata(Metadata::from([("remote".into(), "192.0.2.7:5000".into())]))
}

/// The long code in a letter, and the short one.
pub fn codes(letter: &str) -> (String, String) {
    let lines = || letter.lines().map(str::trim);
    let long = lines().find(|l| l.len() == 40 && l.bytes().all(|b| b.is_ascii_hexdigit()));
    let short = lines().find(|l| l.len() == 9 && l.as_bytes()[4] == b'-');
    (
        long.expect("a code").to_owned(),
        short.expect("a short form").to_owned(),
    )
}

/// A person with our client.
pub struct Person<'a> {
    pub app: &'a TestApp,
    pub email: &'static str,
    pub secret: String,
}

impl<'a> Person<'a> {
    /// Types her address.
    pub async fn start(app: &'a TestApp, email: &'static str) -> Self {
        let request = StartRequest { email: email.into() };
        let started = Session::start(&app.signup, &somebody(), request)
            .await
            .expect("started");
        Self {
            app,
            email,
            secret: started.secret,
        }
    }

    /// Types her address and pastes the code.
    pub async fn verified(app: &'a TestApp, email: &'static str) -> (Self, ConfirmResponse) {
        let before = app.mail.letters().len();
        let person = Self::start(app, email).await;
        eventually("mailed", Duration::from_secs(20), async || {
            app.mail.letters().len() > before
        })
        .await;
        let (long, _) = codes(&app.letter(email, "one-time token").await);
        let confirmed = person.confirm(&long).await.expect("the right code");
        (person, confirmed)
    }

    /// All of it up to the stored card.
    pub async fn with_card(app: &'a TestApp, email: &'static str) -> (Self, String) {
        let (person, confirmed) = Self::verified(app, email).await;
        let link = link(&confirmed.subscribe_url);
        person.enter_card(&link).await;
        (person, link)
    }

    /// All of it.
    pub async fn ready(app: &'a TestApp, email: &'static str, password: &str) -> CompleteResponse {
        let (person, _) = Self::with_card(app, email).await;
        person.complete(password, "").await.expect("ready")
    }

    pub async fn confirm(&self, code: &str) -> Result<ConfirmResponse, Error> {
        let request = ConfirmRequest {
            secret: self.secret.clone(),
            code: code.into(),
        };
        Session::confirm(&self.app.signup, &somebody(), request).await
    }

    pub async fn complete(&self, password: &str, payment_token: &str) -> Result<CompleteResponse, Error> {
        let request = CompleteRequest {
            secret: self.secret.clone(),
            password: password.into(),
            payment_token: payment_token.into(),
        };
        Session::complete(&self.app.signup, &somebody(), request).await
    }

    /// In the browser: to the provider's page and back.
    pub async fn enter_card(&self, link: &str) -> Page {
        let session = self.open_card_page(link).await;
        self.app.bank.enter_card(&session);
        let request = FinishPageRequest {
            link: link.into(),
            session,
        };
        Pages::finish_checkout(&self.app.signup, &platform(), request)
            .await
            .expect("stored")
    }

    pub async fn open_card_page(&self, link: &str) -> String {
        let request = StartPageRequest { link: link.into() };
        let page = Pages::start_checkout(&self.app.signup, &platform(), request)
            .await
            .expect("a page");
        page.url.rsplit('/').next().expect("a session").to_owned()
    }
}

pub async fn read_link(app: &TestApp, link: &str) -> Result<Page, Error> {
    Pages::read_link(&app.signup, &platform(), ReadLinkRequest { link: link.into() }).await
}

/// The unguessable part of a subscribe page's address.
pub fn link(url: &str) -> String {
    url.strip_prefix("https://micro.example/subscribe/")
        .expect("the page's address")
        .to_owned()
}
