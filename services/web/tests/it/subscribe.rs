//! What is bought, the way to the card page and back.

use http::StatusCode;

use crate::door::{Door, LINK};

#[tokio::test]
async fn it_shows_what_is_bought_for_whom_and_at_what_price() {
    let page = Door::open().get(&format!("/subscribe/{LINK}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for said in [
        "ada@example.com",
        "$35",
        "a month",
        "one namespace",
        "1 January 2026, 00:00 UTC",
    ] {
        assert!(page.body.contains(said), "{said}");
    }
    assert!(page.body.contains(&format!("action=\"/subscribe/{LINK}\"")));
}

#[tokio::test]
async fn the_button_leads_to_the_providers_page() {
    let sent = Door::open()
        .send(
            "POST",
            &format!("/subscribe/{LINK}"),
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        )
        .await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (StatusCode::SEE_OTHER, "https://checkout.example/c/1")
    );
    assert!(
        sent.header("content-security-policy")
            .contains("form-action 'self' https://checkout.example;")
    );
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let door = Door::open();
    for elsewhere in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("origin", "https://evil.example")],
    ] {
        let sent = door.send("POST", &format!("/subscribe/{LINK}"), elsewhere).await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN, "{elsewhere:?}");
    }
    let older = door
        .send(
            "POST",
            &format!("/subscribe/{LINK}"),
            &[("origin", "https://micro.example")],
        )
        .await;
    assert_eq!(older.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn on_return_the_token_is_shown() {
    let door = Door::open();
    let back = door.get(&format!("/subscribe/{LINK}/return?session=cs_1")).await;
    assert_eq!(
        (back.status, back.header("location")),
        (StatusCode::SEE_OTHER, format!("/subscribe/{LINK}").as_str())
    );
    let page = door.get(&format!("/subscribe/{LINK}")).await;
    assert!(page.body.contains("pt_0123") && page.body.contains("/static/copy.js"));
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_declined_card_says_why_and_can_be_retried() {
    let door = Door::open();
    door.attempt.0.lock().expect("unpoisoned").message = "Your card <b>was</b> declined.".into();
    let page = door.get(&format!("/subscribe/{LINK}")).await;
    assert!(
        page.body.contains("Your card &lt;b&gt;was&lt;") && page.body.contains("Enter your card"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn cancelling_is_no_drama() {
    let page = Door::open().get(&format!("/subscribe/{LINK}?cancelled=1")).await;
    assert!(page.body.contains("nothing was charged") && page.body.contains("Enter your card"));
}

#[tokio::test]
async fn each_state_has_its_page() {
    let door = Door::open();
    for (state, status, said) in [
        ("paying", StatusCode::OK, "being made"),
        ("provisioning", StatusCode::OK, "being made"),
        ("ready", StatusCode::OK, "You are subscribed"),
        ("expired", StatusCode::GONE, "expired"),
        ("failed", StatusCode::GONE, "expired"),
        ("refunded", StatusCode::GONE, "refunded"),
    ] {
        door.attempt.0.lock().expect("unpoisoned").state = state.into();
        let page = door.get(&format!("/subscribe/{LINK}")).await;
        assert_eq!(page.status, status, "{state}");
        assert!(page.body.contains(said) && !page.body.contains("<form"), "{state}");
    }
}

#[tokio::test]
async fn a_link_of_nobodys_is_not_found() {
    let door = Door::open();
    for path in [
        "/subscribe/other",
        "/subscribe/other/return?session=cs_1",
        "/subscribe/%2e%2e%2f",
    ] {
        assert_eq!(door.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(
        door.send("POST", "/subscribe/other", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn older_clients_addresses_explain_themselves() {
    for (path, typed) in [
        ("/subscribe?email=ada@example.com", "value=\"ada@example.com\""),
        ("/subscribe.html", "value=\"\""),
    ] {
        let page = Door::open().get(path).await;
        assert!(
            page.body.contains("link in your terminal") && page.body.contains(typed),
            "{path}: {}",
            page.body
        );
    }
    let page = Door::open().get("/subscribe?email=%22%3E%3Cscript%3E").await;
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn the_link_is_mailed_to_whom_it_belongs() {
    let door = Door::open();
    let sent = door
        .send_form("POST", "/subscribe", &[], "email=ada%40example.com")
        .await;
    assert_eq!(sent.status, StatusCode::OK);
    assert!(sent.body.contains("Look into your mailbox") && !sent.body.contains("ada@"));
    let typo = door.send_form("POST", "/subscribe", &[], "email=ada").await;
    assert_eq!(typo.status, StatusCode::BAD_REQUEST);
    let elsewhere = door
        .send_form(
            "POST",
            "/subscribe",
            &[("sec-fetch-site", "cross-site")],
            "email=ada%40example.com",
        )
        .await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
}
