//! The mailbox page.

use http::StatusCode;
use micro_domain::Email;
use micro_mail::{Mailer, Template};

use crate::door::Door;

async fn with_one_letter() -> Door {
    let door = Door::open();
    let ada = Email::parse("ada@example.com").expect("valid");
    let letter = Template::Welcome {
        namespace: "amber-otter-drift",
        price: "$35",
    }
    .letter(ada)
    .expect("renders");
    door.mailbox.send(&letter).await.expect("taken");
    door
}

#[tokio::test]
async fn letters_are_listed_and_read() {
    let door = with_one_letter().await;
    let list = door.get("/mailbox").await;
    assert!(list.body.contains("Welcome to Micro") && list.body.contains("ada@example.com"));
    let letter = door.get("/mailbox/1").await;
    assert!(letter.body.contains("amber-otter-drift") && letter.body.contains("/mailbox/1/html"));
    let html = door.get("/mailbox/1/html").await;
    assert!(html.header("content-security-policy").contains("sandbox"));
    let group = html.header("cross-origin-opener-policy");
    assert_eq!(group, "unsafe-none", "Chromium shows an empty frame otherwise");
    assert_eq!(door.get("/mailbox/2").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn scripts_read_json() {
    let door = with_one_letter().await;
    let letters: serde_json::Value = serde_json::from_str(&door.get("/mailbox.json").await.body).expect("json");
    assert_eq!(letters["letters"][0]["to"], "ada@example.com");
    assert!(
        letters["letters"][0]["text"]
            .as_str()
            .expect("text")
            .contains("amber-otter-drift")
    );
}

#[tokio::test]
async fn a_name_pointed_here_from_elsewhere_reads_nothing() {
    let door = with_one_letter().await;
    for path in ["/mailbox", "/mailbox.json", "/mailbox/1", "/mailbox/1/html"] {
        assert_eq!(
            door.send("GET", path, &[("host", "evil.example:8082")]).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(
            door.send("GET", path, &[("host", "127.0.0.1:8082")]).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_mail_is_sent_there_is_no_mailbox() {
    assert_eq!(
        Door::without_mailbox().get("/mailbox").await.status,
        StatusCode::NOT_FOUND
    );
}
