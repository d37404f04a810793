//! Who may ask.

use micro_domain::{Namespace, NamespaceName};
use micro_proto::billing::{
    Billing as _, ReadCheckoutRequest, ReadRequest, RefundRequest, StartCheckoutRequest, SubscribeRequest,
};
use micro_tenancy::{Caller, SystemTask};
use micro_testkit::{authority, principal};

use crate::shop::{Buyer, Shop, caller, refusal};

#[tokio::test]
async fn nobody_but_the_platform_moves_money() {
    let shop = Shop::open().await;
    let tenant = authority().verified(principal("ada-ns", "ada"));
    for stranger in [Caller::anonymous(), tenant] {
        let billing = &shop.billing;
        let answers = [
            refusal(billing.start_checkout(&stranger, StartCheckoutRequest::default()).await),
            refusal(billing.read_checkout(&stranger, ReadCheckoutRequest::default()).await),
            refusal(billing.subscribe(&stranger, SubscribeRequest::default()).await),
            refusal(billing.refund(&stranger, RefundRequest::default()).await),
            refusal(billing.read(&stranger, ReadRequest::default()).await),
        ];
        assert!(
            answers.iter().all(|answer| *answer == (403, "internal".into())),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_namespace_reads_its_own_under_row_level_security() {
    let (shop, ada, bob) = (Shop::open().await, Buyer::new(), Buyer::new());
    for buyer in [ada, bob] {
        shop.subscribe(buyer, &shop.card("tok_visa").await, 1)
            .await
            .expect("paid");
    }
    let name = NamespaceName::parse("ada-ns").expect("valid");
    let inside = authority().system_in(
        SystemTask::Operators,
        Namespace {
            id: ada.namespace,
            name,
        },
    );
    let own = shop.billing.read(&inside, ReadRequest::default()).await.expect("own");
    assert_eq!(
        own,
        shop.billing
            .read(
                &caller(),
                ReadRequest {
                    namespace_id: ada.namespace.to_string()
                }
            )
            .await
            .expect("the same")
    );
    let other = ReadRequest {
        namespace_id: bob.namespace.to_string(),
    };
    assert_eq!(refusal(shop.billing.read(&inside, other).await).0, 403);
}

#[tokio::test]
async fn nonsense_is_named() {
    let shop = Shop::open().await;
    let none = ReadRequest {
        namespace_id: Buyer::new().namespace.to_string(),
    };
    assert_eq!(
        refusal(shop.billing.read(&caller(), none).await),
        (404, "billing.no_subscription".into())
    );
    assert_eq!(
        refusal(shop.billing.read(&caller(), ReadRequest::default()).await),
        (400, "billing.malformed".into())
    );
    assert_eq!(
        refusal(shop.billing.refund(&caller(), RefundRequest::default()).await),
        (400, "billing.malformed".into())
    );
    assert_eq!(
        refusal(shop.billing.subscribe(&caller(), SubscribeRequest::default()).await),
        (400, "billing.malformed".into())
    );
}
