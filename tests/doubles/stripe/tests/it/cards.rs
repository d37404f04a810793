//! Points 3 and 4: what each card does, and how a setup intent goes.

use crate::harness::TestDouble;

#[tokio::test]
async fn a_refused_card_says_why() {
    let stripe = TestDouble::start().await;
    for (number, code, decline_code) in [
        ("4000000000000002", "card_declined", Some("generic_decline")),
        ("4000000000009995", "card_declined", Some("insufficient_funds")),
        ("4000000000009987", "card_declined", Some("lost_card")),
        ("4000000000000069", "expired_card", None),
        ("4000000000000127", "incorrect_cvc", None),
        ("4000000000000119", "processing_error", None),
    ] {
        let customer = stripe.post("/v1/customers", "").await.id();
        let method = stripe
            .post(
                "/v1/payment_methods",
                &format!("type=card&card[number]={number}&card[exp_month]=1&card[exp_year]=2034"),
            )
            .await
            .id();
        let refused = stripe
            .post(
                &format!("/v1/payment_methods/{method}/attach"),
                &format!("customer={customer}"),
            )
            .await;
        assert_eq!(refused.refusal(), (402, code), "{number}");
        assert_eq!(refused.body["error"]["decline_code"].as_str(), decline_code);
        assert_eq!(refused.body["error"]["type"], "card_error");
    }
    let nonsense = stripe.post("/v1/payment_methods", "type=card&card[number]=1234").await;
    assert_eq!(nonsense.refusal(), (402, "incorrect_number"));
}

#[tokio::test]
async fn a_test_name_makes_a_payment_method_of_its_own() {
    let stripe = TestDouble::start().await;
    let (_, first) = stripe.customer_with("pm_card_visa", "").await;
    let (_, second) = stripe.customer_with("pm_card_visa", "").await;
    assert_ne!(first, second);
    let body = stripe.get(&format!("/v1/payment_methods/{first}")).await.ok();
    assert_eq!(
        (&body["card"]["last4"], &body["card"]["brand"]),
        (&"4242".into(), &"visa".into())
    );
}

#[tokio::test]
async fn a_setup_intent_stores_a_card() {
    let stripe = TestDouble::start().await;
    let customer = stripe.post("/v1/customers", "").await.id();
    let form = format!(
        "customer={customer}&confirm=true&payment_method=pm_card_visa&payment_method_types[]=card&usage=off_session"
    );
    let intent = stripe.post("/v1/setup_intents", &form).await.ok();
    assert_eq!(intent["status"], "succeeded");
    let method = stripe
        .get(&format!(
            "/v1/payment_methods/{}",
            intent["payment_method"].as_str().expect("pm")
        ))
        .await
        .ok();
    assert_eq!(method["customer"], customer.as_str());
}

#[tokio::test]
async fn three_d_secure_goes_to_a_page_and_comes_back() {
    let stripe = TestDouble::start().await;
    let customer = stripe.post("/v1/customers", "").await.id();
    let made = stripe
        .post("/v1/setup_intents", &format!("customer={customer}"))
        .await
        .ok();
    let (id, secret) = (
        made["id"].as_str().expect("id"),
        made["client_secret"].as_str().expect("secret"),
    );
    let confirm = format!(
        "payment_method=pm_card_authenticationRequiredOnSetup&return_url=http%3A%2F%2Fshop.test%2Fback&client_secret={secret}"
    );
    // The holder's browser confirms with the publishable key and the client secret.
    let headers = [
        ("authorization", "Bearer pk_test_x"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let asked = stripe
        .send("POST", &format!("/v1/setup_intents/{id}/confirm"), &headers, &confirm)
        .await
        .ok();
    assert_eq!(asked["status"], "requires_action");
    let page = asked["next_action"]["redirect_to_url"]["url"]
        .as_str()
        .expect("a page")
        .to_owned();

    let shown = stripe.send("GET", &page, &[], "").await;
    assert!(
        shown.text.contains(">Complete<") && shown.text.contains(">Fail<"),
        "{}",
        shown.text
    );
    let failed = stripe.submit(&page, "outcome=fail").await;
    assert_eq!(failed.status, 303);
    assert!(
        failed
            .header("location")
            .starts_with("http://shop.test/back?setup_intent=seti_")
            && failed.header("location").ends_with("redirect_status=failed")
    );
    let after = stripe.get(&format!("/v1/setup_intents/{id}")).await.ok();
    assert_eq!(
        (&after["status"], &after["last_setup_error"]["code"]),
        (
            &"requires_payment_method".into(),
            &"setup_intent_authentication_failure".into()
        )
    );

    stripe
        .post(&format!("/v1/setup_intents/{id}/confirm"), &confirm)
        .await
        .ok();
    let passed = stripe.submit(&page, "outcome=complete").await;
    assert!(
        passed
            .header("location")
            .contains(&format!("setup_intent_client_secret={secret}"))
            && passed.header("location").ends_with("redirect_status=succeeded")
    );
    assert_eq!(
        stripe.get(&format!("/v1/setup_intents/{id}")).await.ok()["status"],
        "succeeded"
    );
    assert_eq!(
        stripe.submit(&page, "outcome=complete").await.status,
        404,
        "a challenge is answered once"
    );

    let wrong = stripe
        .send("GET", &format!("/v1/setup_intents/{id}?client_secret=no"), &headers, "")
        .await;
    assert_eq!(wrong.refusal(), (400, "resource_missing"));
}

#[tokio::test]
async fn a_refused_card_leaves_the_intent_open_for_another() {
    let stripe = TestDouble::start().await;
    let id = stripe.post("/v1/setup_intents", "").await.id();
    let refused = stripe
        .post(
            &format!("/v1/setup_intents/{id}/confirm"),
            "payment_method=pm_card_chargeDeclined",
        )
        .await;
    assert_eq!(refused.refusal(), (402, "card_declined"));
    assert_eq!(
        stripe.get(&format!("/v1/setup_intents/{id}")).await.ok()["status"],
        "requires_payment_method"
    );
    assert_eq!(
        stripe
            .post(
                &format!("/v1/setup_intents/{id}/confirm"),
                "payment_method=pm_card_visa"
            )
            .await
            .ok()["status"],
        "succeeded"
    );
    let events = stripe.events().await;
    let expected = [
        "setup_intent.created",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
    ];
    assert_eq!(events, expected);
}
