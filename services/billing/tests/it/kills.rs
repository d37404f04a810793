//! A process that dies at each named moment of a call that moves money. What is left is one charge, or one charge and
//! one refund, and the next process goes on. The child is this very test program, told by its environment what to do.

use std::{process::Stdio, sync::Arc};

use micro_billing::{Billing, Operation, Ports};
use micro_clock::TestClock;
use micro_proto::billing::{Billing as _, RefundRequest, StartCheckoutRequest};
use micro_storage::{Db, Urls};
use micro_testkit::TestDb;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::shop::{Buyer, EMAIL, Shop, caller, stripe, wanted};

const TASK: &str = "MICRO_BILLING_CHILD";

/// Not a test by itself: what the child does.
#[tokio::test]
async fn child() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent test tells its child what to do"
    )]
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Value = serde_json::from_str(&task).expect("the parent's words");
    let text = |field: &str| task[field].as_str().expect("text").to_owned();
    let urls = Urls {
        serving: text("serving").into(),
        system: text("system").into(),
        owner: text("owner").into(),
    };
    let db = Db::connect(&urls, micro_storage::db::Options::default())
        .await
        .expect("the parent's database");
    let billing = Billing::new(Ports {
        db,
        payments: Some(stripe(&text("stripe"))),
        clock: Arc::new(TestClock::default()),
    });
    let buyer = Buyer {
        attempt: text("attempt").parse().expect("an id"),
        namespace: text("namespace").parse().expect("an id"),
    };
    match text("operation").as_str() {
        "checkout" => drop(billing.start_checkout(&caller(), page(buyer)).await),
        "refund" => drop(billing.refund(&caller(), refund(buyer)).await),
        _ => drop(billing.subscribe(&caller(), wanted(buyer, &text("card"), 1)).await),
    }
}

fn page(buyer: Buyer) -> StartCheckoutRequest {
    StartCheckoutRequest {
        attempt: buyer.attempt.to_string(),
        email: EMAIL.into(),
        success_url: "http://shop.test/".into(),
        cancel_url: "http://shop.test/".into(),
    }
}

fn refund(buyer: Buyer) -> RefundRequest {
    RefundRequest {
        attempt: buyer.attempt.to_string(),
        reason: "a test".into(),
    }
}

/// A child does it, and dies at the failpoint.
async fn dies(shop: &Shop, buyer: Buyer, operation: Operation, card: &str, failpoint: &str) {
    let urls = shop.test.urls();
    let task = json!({
        "serving": urls.serving.expose_secret(), "system": urls.system.expose_secret(), "owner": urls.owner.expose_secret(),
        "stripe": shop.double.url(), "attempt": buyer.attempt.to_string(), "namespace": buyer.namespace.to_string(),
        "operation": operation.name(), "card": card,
    });
    let program = std::env::current_exe().expect("this program");
    let mut child = tokio::process::Command::new(program);
    child.args(["--exact", "kills::child", "--test-threads", "1"]);
    child.env(TASK, task.to_string()).env("MICRO_FAILPOINT", failpoint);
    child.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let status = child.status().await.expect("it runs");
    assert!(status.code().is_none(), "not killed at {failpoint}: {status}");
}

#[tokio::test]
async fn at_every_moment_money_moves_once() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let shop = Shop::over(test, db, true).await;
    for operation in Operation::ALL {
        for failpoint in operation.failpoints() {
            let buyer = Buyer::new();
            let card = shop.card("tok_visa").await;
            if operation == Operation::Refund {
                shop.subscribe(buyer, &card, 1).await.expect("paid");
            }
            dies(&shop, buyer, operation, &card, failpoint).await;
            if operation == Operation::Checkout {
                shop.billing.start_checkout(&caller(), page(buyer)).await.expect("open");
                assert_eq!(shop.books(buyer).await["customers"], 1, "{failpoint}");
                continue;
            }
            if operation != Operation::Refund {
                shop.subscribe(buyer, &card, 1).await.expect("paid");
                let once = json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 0, "refunded": 0, "live_subscriptions": 1 });
                assert_eq!(shop.books(buyer).await, once, "{failpoint}");
            }
            let given_back = shop.billing.refund(&caller(), refund(buyer)).await.expect("given back");
            assert_eq!(given_back.cents, 3_500, "{failpoint}");
            let even = json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 1, "refunded": 3500, "live_subscriptions": 0 });
            assert_eq!(shop.books(buyer).await, even, "{failpoint}");
        }
    }
    shop.settle().await;
    shop.assert_books_agree().await;
}
