//! Every body of the double deserializes with async-stripe, which is stricter than Stripe's published schema: a field
//! that it requires and the double lacks fails here, not in somebody's sign-up.

use stripe::{Client, ClientBuilder};
use stripe_billing::{
    invoice::{ListInvoice, PayInvoice, RetrieveInvoice},
    invoice_payment::ListInvoicePayment,
    subscription::{
        CancelSubscription, CreateSubscription, CreateSubscriptionItems, CreateSubscriptionPaymentBehavior,
        ListSubscription, RetrieveSubscription, UpdateSubscription,
    },
    test_helpers_test_clock::{AdvanceTestHelpersTestClock, CreateTestHelpersTestClock, RetrieveTestHelpersTestClock},
};
use stripe_checkout::checkout_session::{ExpireCheckoutSession, ListCheckoutSession};
use stripe_core::{
    charge::{ListCharge, RetrieveCharge},
    customer::{
        CreateCustomer, DeleteCustomer, ListPaymentMethodsCustomer, RetrieveCustomer, RetrieveCustomerReturned,
    },
    event::{ListEvent, RetrieveEvent},
    payment_intent::{ListPaymentIntent, RetrievePaymentIntent},
    refund::{CreateRefund, ListRefund, RetrieveRefund},
    setup_intent::{CancelSetupIntent, ConfirmSetupIntent, CreateSetupIntent, ListSetupIntent, RetrieveSetupIntent},
};
use stripe_payment::payment_method::{
    AttachPaymentMethod, DetachPaymentMethod, ListPaymentMethod, RetrievePaymentMethod,
};
use stripe_product::{
    price::{CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, ListPrice, RetrievePrice},
    product::{CreateProduct, ListProduct, RetrieveProduct},
};

use crate::harness::Shop;

const START: i64 = 1_767_225_600;

fn client(shop: &Shop) -> Client {
    let url = format!("{}/", shop.double.url());
    ClientBuilder::new("sk_test_it").url(url).build().expect("a client")
}

/// A customer with a card, living by its own clock.
async fn customer(client: &Client, clock: &str) -> (String, String) {
    let made = CreateCustomer::new()
        .email("ada@example.com")
        .test_clock(clock)
        .send(client)
        .await
        .expect("customer");
    let id = made.id.to_string();
    let card = AttachPaymentMethod::new("pm_card_visa")
        .customer(&id)
        .send(client)
        .await
        .expect("payment method");
    (id, card.id.to_string())
}

#[tokio::test]
async fn products_prices_customers_and_cards() {
    let shop = Shop::open().await;
    let client = client(&shop);
    let product = CreateProduct::new("Micro").send(&client).await.expect("product");
    RetrieveProduct::new(product.id.clone())
        .send(&client)
        .await
        .expect("product");
    assert_eq!(ListProduct::new().send(&client).await.expect("products").data.len(), 2);
    let recurring = CreatePriceRecurring::new(CreatePriceRecurringInterval::Month);
    let price = CreatePrice::new(stripe_types::Currency::USD)
        .unit_amount(3_500)
        .product(product.id.to_string())
        .recurring(recurring);
    let price = price.send(&client).await.expect("price");
    let read = RetrievePrice::new(price.id)
        .expand(vec!["product".to_owned()])
        .send(&client)
        .await
        .expect("price");
    assert!(read.product.is_object());
    ListPrice::new().send(&client).await.expect("prices");

    let clock = CreateTestHelpersTestClock::new(START)
        .send(&client)
        .await
        .expect("test clock");
    let (id, card) = customer(&client, clock.id.as_str()).await;
    RetrievePaymentMethod::new(card.as_str())
        .send(&client)
        .await
        .expect("payment method");
    assert_eq!(
        ListPaymentMethod::new()
            .customer(&id)
            .send(&client)
            .await
            .expect("payment methods")
            .data
            .len(),
        1
    );
    assert_eq!(
        ListPaymentMethodsCustomer::new(id.as_str())
            .send(&client)
            .await
            .expect("payment methods")
            .data
            .len(),
        1
    );
    DetachPaymentMethod::new(card.as_str())
        .send(&client)
        .await
        .expect("payment method");
    DeleteCustomer::new(id.as_str()).send(&client).await.expect("deleted");
    let gone = RetrieveCustomer::new(id.as_str())
        .send(&client)
        .await
        .expect("deleted customer");
    assert!(matches!(gone, RetrieveCustomerReturned::DeletedCustomer(_)));
}

#[tokio::test]
async fn setup_intents_and_checkout_sessions_in_each_state() {
    let shop = Shop::open().await;
    let client = client(&shop);
    let made = CreateSetupIntent::new().send(&client).await.expect("setup intent");
    let asked = ConfirmSetupIntent::new(made.id.clone())
        .payment_method("pm_card_authenticationRequiredOnSetup")
        .return_url("http://shop.test/")
        .send(&client)
        .await
        .expect("requires action");
    assert!(asked.next_action.is_some_and(|next| next.redirect_to_url.is_some()));
    let declined = ConfirmSetupIntent::new(made.id.clone())
        .payment_method("pm_card_chargeDeclined")
        .send(&client)
        .await;
    assert!(matches!(declined, Err(stripe::StripeError::Stripe(error, 402)) if error.setup_intent.is_some()));
    let read = RetrieveSetupIntent::new(made.id.clone())
        .send(&client)
        .await
        .expect("with its error");
    assert!(read.last_setup_error.is_some());
    CancelSetupIntent::new(made.id).send(&client).await.expect("canceled");
    ListSetupIntent::new().send(&client).await.expect("setup intents");

    let form = "mode=subscription&line_items[0][price]=price_micro&success_url=http%3A%2F%2Fs.test%2F";
    let (_, bought) = shop.send("POST", "/v1/checkout/sessions", form).await;
    let url = bought["url"].as_str().expect("a page");
    assert_eq!(
        shop.send("POST", url, "number=4242424242424242&expiry=12/34&cvc=123")
            .await
            .0,
        303
    );
    let (_, open) = shop
        .send(
            "POST",
            "/v1/checkout/sessions",
            "mode=setup&success_url=http%3A%2F%2Fs.test%2F",
        )
        .await;
    ExpireCheckoutSession::new(open["id"].as_str().expect("an id"))
        .send(&client)
        .await
        .expect("expired");
    let expand = ["data.subscription", "data.setup_intent", "data.customer"]
        .map(str::to_owned)
        .to_vec();
    let all = ListCheckoutSession::new()
        .expand(expand)
        .send(&client)
        .await
        .expect("sessions");
    assert!(
        all.data
            .iter()
            .any(|s| s.subscription.as_ref().is_some_and(|s| s.is_object()))
    );
}

#[tokio::test]
async fn subscriptions_invoices_and_money_through_a_renewal_and_back() {
    let shop = Shop::open().await;
    let client = client(&shop);
    let clock = CreateTestHelpersTestClock::new(START)
        .send(&client)
        .await
        .expect("test clock");
    let (id, card) = customer(&client, clock.id.as_str()).await;
    let mut item = CreateSubscriptionItems::new();
    item.price = Some("price_micro".into());
    let create = CreateSubscription::new()
        .customer(&id)
        .items(vec![item])
        .default_payment_method(&card);
    let open = create
        .clone()
        .payment_behavior(CreateSubscriptionPaymentBehavior::DefaultIncomplete);
    let open = open
        .expand(vec!["latest_invoice".to_owned()])
        .send(&client)
        .await
        .expect("incomplete");
    let bill = open.latest_invoice.expect("a bill");
    let bill = bill.id().clone().expect("an id");
    PayInvoice::new(bill.clone())
        .payment_method(&card)
        .send(&client)
        .await
        .expect("paid");
    RetrieveInvoice::new(bill)
        .expand(vec!["payments".to_owned(), "customer".to_owned()])
        .send(&client)
        .await
        .expect("invoice");

    AdvanceTestHelpersTestClock::new(clock.id.clone(), START + 32 * 86_400)
        .send(&client)
        .await
        .expect("advancing");
    RetrieveTestHelpersTestClock::new(clock.id)
        .send(&client)
        .await
        .expect("ready");
    let expand = ["data.payments", "data.customer"].map(str::to_owned).to_vec();
    let bills = ListInvoice::new()
        .customer(&id)
        .expand(expand)
        .send(&client)
        .await
        .expect("invoices");
    assert_eq!(
        bills.data.iter().map(|bill| bill.amount_paid).collect::<Vec<_>>(),
        [3_500, 3_500]
    );
    assert_eq!(
        ListInvoicePayment::new()
            .send(&client)
            .await
            .expect("invoice payments")
            .data
            .len(),
        2
    );

    let intents = ListPaymentIntent::new()
        .customer(&id)
        .send(&client)
        .await
        .expect("payment intents")
        .data;
    let expand = vec!["latest_charge".to_owned()];
    RetrievePaymentIntent::new(intents[0].id.clone())
        .expand(expand)
        .send(&client)
        .await
        .expect("payment intent");
    let charges = ListCharge::new()
        .customer(&id)
        .send(&client)
        .await
        .expect("charges")
        .data;
    let refund = CreateRefund::new()
        .payment_intent(intents[0].id.to_string())
        .amount(100)
        .send(&client)
        .await
        .expect("refund");
    RetrieveRefund::new(refund.id).send(&client).await.expect("refund");
    ListRefund::new().send(&client).await.expect("refunds");
    let refunded = RetrieveCharge::new(charges[0].id.clone())
        .send(&client)
        .await
        .expect("charge");
    assert_eq!(refunded.amount_refunded, 100);

    let later = UpdateSubscription::new(open.id.clone())
        .cancel_at_period_end(true)
        .send(&client)
        .await
        .expect("subscription");
    assert!(later.cancel_at.is_some());
    CancelSubscription::new(open.id.clone())
        .send(&client)
        .await
        .expect("canceled");
    RetrieveSubscription::new(open.id)
        .expand(vec!["customer".to_owned()])
        .send(&client)
        .await
        .expect("subscription");
    ListSubscription::new()
        .customer(&id)
        .send(&client)
        .await
        .expect("subscriptions");
    let events = ListEvent::new().limit(100).send(&client).await.expect("events").data;
    assert!(events.len() >= 20, "{}", events.len());
    RetrieveEvent::new(events[0].id.clone())
        .send(&client)
        .await
        .expect("event");
}
