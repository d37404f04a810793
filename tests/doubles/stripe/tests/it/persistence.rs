//! State outlives the process, and holds no card.

use std::sync::Arc;

use micro_clock::TestClock;
use stripe_double::{Double, Options};

use crate::harness::TestDouble;

#[tokio::test]
async fn a_restart_finds_everything_and_no_card_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stripe.json");
    let stripe = TestDouble::with(|options| Options {
        state: Some(file.clone()),
        ..options
    })
    .await;
    let customer = stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await.id();
    let session = stripe
        .post(
            "/v1/checkout/sessions",
            &format!("mode=setup&customer={customer}&success_url=http%3A%2F%2Fshop.test%2F"),
        )
        .await
        .ok();
    assert_eq!(
        stripe
            .submit(
                session["url"].as_str().expect("page"),
                "number=4242424242424242&expiry=12/34&cvc=987"
            )
            .await
            .status,
        303
    );
    stripe.double.stop().await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("saved").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let saved = std::fs::read_to_string(&file).expect("saved");
    assert!(!saved.contains("4242424242424242") && !saved.contains("987\""));

    let options = Options {
        state: Some(file),
        price: Some("price_micro".into()),
        ..Options::new(Arc::new(TestClock::default()))
    };
    let again = TestDouble {
        double: Double::start(options).await.expect("starts"),
        clock: TestClock::default(),
    };
    assert_eq!(
        again.keyed("k1", "/v1/customers", "email=a%40b.de").await.id(),
        customer
    );
    let read = again
        .get(&format!(
            "/v1/checkout/sessions/{}",
            session["id"].as_str().expect("id")
        ))
        .await
        .ok();
    assert_eq!(read["status"], "complete");
}
