//! Point 5: the hosted page, as a browser without scripts meets it.

use serde_json::Value;

use crate::harness::TestDouble;

const RETURN: &str =
    "success_url=http%3A%2F%2Fshop.test%2Fdone%3Fs%3D%7BCHECKOUT_SESSION_ID%7D&cancel_url=http%3A%2F%2Fshop.test%2Fno";

async fn open(stripe: &TestDouble) -> (Value, String) {
    let customer = stripe.post("/v1/customers", "email=ada%40example.com").await.id();
    let form = format!(
        "mode=setup&payment_method_types[]=card&customer={customer}&client_reference_id=a1&metadata[attempt]=a1&{RETURN}"
    );
    let session = stripe.post("/v1/checkout/sessions", &form).await.ok();
    let url = session["url"].as_str().expect("a page").to_owned();
    (session, url)
}

#[tokio::test]
async fn a_card_is_stored_and_the_browser_goes_back() {
    let stripe = TestDouble::start().await;
    let (session, url) = open(&stripe).await;
    let id = session["id"].as_str().expect("id");
    let page = stripe.send("GET", &url, &[], "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("ada@example.com") && page.text.contains("http://shop.test/no"),
        "{}",
        page.text
    );
    for field in ["number", "expiry", "cvc"] {
        assert!(
            page.text.contains(&format!("<label for=\"{field}\">")),
            "{field} has a label"
        );
    }
    assert!(!page.text.contains("<script"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && policy.ends_with("form-action 'self' http://shop.test"),
        "{policy}"
    );

    let done = stripe
        .submit(&url, "number=4242+4242+4242+4242&expiry=12+%2F+34&cvc=123")
        .await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, format!("http://shop.test/done?s={id}").as_str())
    );

    let read = stripe
        .get(&format!("/v1/checkout/sessions/{id}?expand[]=setup_intent"))
        .await
        .ok();
    assert_eq!(
        (&read["status"], &read["payment_status"], &read["url"]),
        (&"complete".into(), &"no_payment_required".into(), &Value::Null)
    );
    let method = read["setup_intent"]["payment_method"].as_str().expect("a card");
    assert_eq!(
        stripe.get(&format!("/v1/payment_methods/{method}")).await.ok()["customer"],
        session["customer"]
    );
    assert!(stripe.events().await.ends_with(&[
        "payment_method.attached".into(),
        "setup_intent.succeeded".into(),
        "checkout.session.completed".into()
    ]));

    let again = stripe.send("GET", &url, &[], "").await;
    assert!(again.text.contains("All done") && again.text.contains(&format!("http://shop.test/done?s={id}")));
}

#[tokio::test]
async fn a_declined_card_says_why_and_another_may_be_tried() {
    let stripe = TestDouble::start().await;
    let (session, url) = open(&stripe).await;
    let declined = stripe
        .submit(&url, "number=4000000000009995&expiry=12/34&cvc=123")
        .await;
    assert_eq!(declined.status, 402);
    assert!(
        declined
            .text
            .contains("role=\"alert\">Your card has insufficient funds."),
        "{}",
        declined.text
    );
    assert!(
        !declined.text.contains("4000000000009995"),
        "what was typed is not sent back"
    );
    for (form, told) in [
        ("number=1&expiry=12/34&cvc=123", "Your card number is incorrect."),
        ("number=4242424242424242&expiry=12/25&cvc=123", "in the past"),
        ("number=4242424242424242&expiry=soon&cvc=123", "MM / YY"),
        (
            "number=4242424242424242&expiry=12/34&cvc=1",
            "security code is incomplete",
        ),
    ] {
        let reply = stripe.submit(&url, form).await;
        assert!(
            reply.status == 400 && reply.text.contains(told),
            "{form}: {}",
            reply.text
        );
    }
    assert_eq!(
        stripe
            .submit(&url, "number=4242424242424242&expiry=12/34&cvc=123")
            .await
            .status,
        303
    );
    let read = stripe
        .get(&format!(
            "/v1/checkout/sessions/{}",
            session["id"].as_str().expect("id")
        ))
        .await
        .ok();
    assert_eq!(read["status"], "complete");
}

#[tokio::test]
async fn three_d_secure_can_fail_and_be_tried_again() {
    let stripe = TestDouble::start().await;
    let (session, url) = open(&stripe).await;
    let card = "number=4000002500003155&expiry=12/34&cvc=123";
    let asked = stripe.submit(&url, card).await;
    assert_eq!(asked.status, 303);
    let challenge = asked.header("location").to_owned();
    assert!(challenge.contains("/c/3ds/seti_"));
    let failed = stripe.submit(&challenge, "outcome=fail").await;
    assert_eq!(failed.header("location"), url);
    let back = stripe.send("GET", &url, &[], "").await;
    assert!(
        back.text.contains("We are unable to authenticate your payment method."),
        "{}",
        back.text
    );

    let asked = stripe.submit(&url, card).await;
    let policy = asked.header("content-security-policy").to_owned();
    assert!(policy.contains("http://shop.test"));
    let passed = stripe.submit(asked.header("location"), "outcome=complete").await;
    assert!(
        passed
            .header("location")
            .starts_with("http://shop.test/done?s=cs_test_")
    );
    assert!(passed.header("content-security-policy").contains("http://shop.test"));
    let read = stripe
        .get(&format!(
            "/v1/checkout/sessions/{}",
            session["id"].as_str().expect("id")
        ))
        .await
        .ok();
    assert_eq!(read["status"], "complete");
}

#[tokio::test]
async fn a_session_expires_after_a_day_or_on_request() {
    let stripe = TestDouble::start().await;
    let (first, first_url) = open(&stripe).await;
    stripe.clock.advance(time::Duration::hours(25));
    let gone = stripe.send("GET", &first_url, &[], "").await;
    assert!(
        gone.status == 410 && gone.text.contains("http://shop.test/no"),
        "{}",
        gone.text
    );
    let read = stripe
        .get(&format!("/v1/checkout/sessions/{}", first["id"].as_str().expect("id")))
        .await
        .ok();
    assert_eq!(read["status"], "expired");

    let (second, second_url) = open(&stripe).await;
    let path = format!("/v1/checkout/sessions/{}/expire", second["id"].as_str().expect("id"));
    assert_eq!(stripe.post(&path, "").await.ok()["status"], "expired");
    assert_eq!(
        stripe
            .submit(&second_url, "number=4242424242424242&expiry=12/34&cvc=123")
            .await
            .status,
        410
    );
    assert_eq!(stripe.post(&path, "").await.status, 400);
    assert_eq!(
        stripe
            .send("GET", &format!("{}/c/pay/cs_test_no", stripe.double.url()), &[], "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_subscription_is_bought_on_the_page() {
    let stripe = TestDouble::start().await;
    let form = format!(
        "mode=subscription&line_items[0][price]=price_micro&line_items[0][quantity]=1&customer_email=ada%40example.com&subscription_data[metadata][attempt]=a9&{RETURN}"
    );
    let session = stripe.post("/v1/checkout/sessions", &form).await.ok();
    assert_eq!(
        (&session["amount_total"], &session["payment_status"]),
        (&3500.into(), &"unpaid".into())
    );
    let url = session["url"].as_str().expect("a page");
    let refused = stripe.submit(url, "number=4000000000000341&expiry=12/34&cvc=123").await;
    assert!(
        refused.status == 402 && refused.text.contains("Your card was declined."),
        "{}",
        refused.text
    );
    assert_eq!(
        stripe
            .submit(url, "number=4242424242424242&expiry=12/34&cvc=123")
            .await
            .status,
        303
    );
    let read = stripe
        .get(&format!(
            "/v1/checkout/sessions/{}?expand[]=subscription",
            session["id"].as_str().expect("id")
        ))
        .await
        .ok();
    assert_eq!(
        (&read["payment_status"], &read["subscription"]["status"]),
        (&"paid".into(), &"active".into())
    );
    assert_eq!(read["subscription"]["metadata"]["attempt"], "a9");
}
