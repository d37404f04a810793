//! A door over pages that a test scripts, and what holds for every answer.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    routing::post,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use micro_clock::TestClock;
use micro_error::{Error, Kind};
use micro_mail::Mailbox;
use micro_proto::signup::{
    FinishPageRequest, MailLinkRequest, MailLinkResponse, Page, Pages, ReadLinkRequest, StartPageRequest,
    StartPageResponse,
};
use micro_tenancy::{Authority, Caller, SystemTask};
use micro_web::{Ports, WebConfig, router};
use tower::ServiceExt;

pub const LINK: &str = "AbC-dEf_123";

/// One attempt, whose page is what the test says.
#[derive(Clone, Default)]
pub struct OneAttempt(pub Arc<Mutex<Page>>);

impl OneAttempt {
    fn page(&self, caller: &Caller, link: &str) -> Result<Page, Error> {
        caller.require_system()?;
        if link == LINK {
            Ok(self.0.lock().expect("unpoisoned").clone())
        } else {
            Err(Error::new(Kind::NotFound, "signup.link", "no"))
        }
    }
}

#[async_trait]
impl Pages for OneAttempt {
    async fn read_link(&self, caller: &Caller, request: ReadLinkRequest) -> Result<Page, Error> {
        self.page(caller, &request.link)
    }

    async fn start_checkout(&self, caller: &Caller, request: StartPageRequest) -> Result<StartPageResponse, Error> {
        self.page(caller, &request.link)?;
        Ok(StartPageResponse {
            url: "https://checkout.example/c/1".into(),
        })
    }

    async fn mail_link(&self, caller: &Caller, request: MailLinkRequest) -> Result<MailLinkResponse, Error> {
        caller.require_system()?;
        match request.email.contains('@') {
            true => Ok(MailLinkResponse {}),
            false => Err(Error::new(
                Kind::Invalid,
                "signup.email",
                "That is not a valid email address",
            )),
        }
    }

    async fn finish_checkout(&self, caller: &Caller, request: FinishPageRequest) -> Result<Page, Error> {
        self.page(caller, &request.link)?;
        let mut page = self.0.lock().expect("unpoisoned");
        if request.session == "cs_1" {
            page.state = "card_stored".into();
            page.payment_token = "pt_0123".into();
        }
        Ok(page.clone())
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|v| v.to_str().expect("text"))
            .unwrap_or_default()
    }
}

pub struct Door {
    pub attempt: OneAttempt,
    pub mailbox: Mailbox,
    router: Router,
}

impl Door {
    pub fn open() -> Self {
        Self::with(true)
    }

    pub fn without_mailbox() -> Self {
        Self::with(false)
    }

    fn with(shows_mail: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
        let caller = Authority::for_boot().system(SystemTask::Signup);
        let attempt = OneAttempt::default();
        *attempt.0.lock().expect("unpoisoned") = Page {
            state: "payment_pending".into(),
            email: "ada@example.com".into(),
            price: "$35".into(),
            expires_at: 1_767_225_600,
            ..Page::default()
        };
        let mailbox = Mailbox::new(Arc::new(TestClock::default()));
        let config = WebConfig {
            public_url: "https://micro.example".parse().expect("a url"),
            proxy_address: "proxy.micro.example".into(),
            price: Some("$35".into()),
            checkout_origins: vec!["https://checkout.example".into()],
        };
        let ports = Ports {
            pages: Arc::new(attempt.clone()),
            caller,
            mailbox: shows_mail.then(|| mailbox.clone()),
            webhooks: post(async |_: Bytes| StatusCode::ACCEPTED).layer(DefaultBodyLimit::max(64 << 10)),
        };
        Self {
            attempt,
            mailbox,
            router: router(config, ports),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send_form(method, path, headers, "").await
    }

    pub async fn send_form(&self, method: &str, path: &str, headers: &[(&str, &str)], form: &'static str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "micro.example");
        }
        if !form.is_empty() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(form)).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

#[tokio::test]
async fn every_answer_is_locked_down() {
    let door = Door::open();
    for path in [
        "/",
        "/subscribe",
        "/mailbox",
        "/nowhere",
        &format!("/subscribe/{LINK}"),
        "/static/style.css",
    ] {
        let answer = door.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let inline = ["<style", "style=", "onclick", "<script>"]
            .iter()
            .find(|inline| answer.body.contains(**inline));
        assert!(
            path.starts_with("/static") || inline.is_none(),
            "{path}: {inline:?} would be refused by the policy"
        );
        assert_eq!(
            answer.header("cache-control") == "no-store",
            !path.starts_with("/static"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let door = Door::open();
    let first = door.get("/static/style.css").await;
    assert_eq!(
        (first.status, first.header("content-type")),
        (StatusCode::OK, "text/css; charset=utf-8")
    );
    let again = door
        .send("GET", "/static/style.css", &[("if-none-match", first.header("etag"))])
        .await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
}

#[tokio::test]
async fn the_front_page_says_the_three_commands() {
    let door = Door::open();
    let page = door.get("/").await;
    for said in [
        "micro env add cloud proxy.micro.example",
        "micro signup",
        "micro run .",
        "$35 a month",
        "/mailbox",
    ] {
        assert!(page.body.contains(said), "{said}");
    }
    assert!(!Door::without_mailbox().get("/").await.body.contains("/mailbox"));
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let missing = Door::open().get("/nowhere").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.body.contains("Not found") && missing.body.contains("</html>"));
}

#[tokio::test]
async fn the_payment_provider_has_a_door_with_bounds_of_its_own() {
    const LONG: &str = match std::str::from_utf8(&[b'x'; 32 << 10]) {
        Ok(text) => text,
        Err(_) => "",
    };
    for door in [Door::open(), Door::without_mailbox()] {
        let taken = door.send_form("POST", "/webhooks/stripe", &[], LONG).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED);
        let page = door.send_form("POST", "/subscribe", &[], LONG).await;
        assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(door.get("/webhooks/stripe").await.status, StatusCode::NOT_FOUND);
    }
}
