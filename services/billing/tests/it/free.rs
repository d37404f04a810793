//! `MICRO_PAYMENTS=off`: the same, but nothing is paid.

use std::sync::Arc;

use micro_billing::{Billing, Ports};
use micro_clock::TestClock;
use micro_proto::billing::{Billing as _, ReadRequest, RefundRequest, StartCheckoutRequest, SubscribeRequest};
use micro_testkit::TestDb;

use crate::shop::{Buyer, EMAIL, caller, refusal};

#[tokio::test]
async fn a_free_subscription_is_recorded_and_ends() {
    let test = TestDb::new().await;
    let billing = Billing::new(Ports {
        db: test.db().await,
        payments: None,
        clock: Arc::new(TestClock::default()),
    });
    let ada = Buyer::new();
    let wanted = SubscribeRequest {
        attempt: ada.attempt.to_string(),
        email: EMAIL.into(),
        namespace: ada.namespace.to_string(),
        r#try: 1,
        ..SubscribeRequest::default()
    };
    let free = billing.subscribe(&caller(), wanted.clone()).await.expect("free");
    assert_eq!(free.status, "free");
    assert_eq!(
        billing.subscribe(&caller(), wanted.clone()).await.expect("the same"),
        free
    );
    let read = ReadRequest {
        namespace_id: ada.namespace.to_string(),
    };
    let known = billing.read(&caller(), read.clone()).await.expect("there");
    assert_eq!(
        (known.status.as_str(), known.cents, known.period_ends_at),
        ("free", 0, 0)
    );

    let page = StartCheckoutRequest {
        attempt: ada.attempt.to_string(),
        email: EMAIL.into(),
        ..Default::default()
    };
    assert_eq!(
        refusal(billing.start_checkout(&caller(), page).await),
        (409, "billing.off".into())
    );

    let refund = RefundRequest {
        attempt: ada.attempt.to_string(),
        reason: "a test".into(),
    };
    assert_eq!(billing.refund(&caller(), refund).await.expect("nothing").cents, 0);
    assert_eq!(billing.read(&caller(), read).await.expect("there").status, "canceled");
    assert_eq!(
        refusal(billing.subscribe(&caller(), wanted).await),
        (409, "billing.closed".into())
    );
}
