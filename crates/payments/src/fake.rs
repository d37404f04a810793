//! A provider in memory, for tests of those who take money. The double (tests/doubles/stripe) is closer to Stripe.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use micro_domain::{AttemptId, Email, Money};
use time::{Duration, OffsetDateTime};

use crate::{
    CardId, Checkout, CheckoutId, CheckoutState, Customer, CustomerId, Event, Invoice, InvoiceId, Key, NewCheckout,
    NewCustomer, NewRefund, NewSubscription, PaymentId, Payments, PaymentsError, Refund, RefundId, StoredCheckout,
    Subscription, SubscriptionId, SubscriptionStatus, WebhookError, WebhookVerifier,
};

/// 2026-01-01, when everything here happens.
const START: OffsetDateTime = time::macros::datetime!(2026-01-01 00:00 UTC);

/// What the next call that changes something does instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, but the reply is lost.
    LostReply,
    /// It is not done, and nobody knows.
    LostRequest,
}

/// Customers, pages, subscriptions and money in memory. Cards named `card_declined…` are refused when charged.
#[derive(Debug)]
pub struct FakePayments {
    books: Mutex<Books>,
    webhooks: WebhookVerifier,
}

#[derive(Debug, Default)]
struct Books {
    made: u64,
    replies: HashMap<String, Reply>,
    customers: Vec<(Customer, Email)>,
    checkouts: BTreeMap<String, StoredCheckout>,
    subscriptions: Vec<Subscription>,
    invoices: Vec<Invoice>,
    refunds: Vec<(PaymentId, Refund)>,
    faults: VecDeque<Fault>,
}

#[derive(Clone, Debug)]
enum Reply {
    Customer(Customer),
    Checkout(Checkout),
    Subscription(Result<Subscription, PaymentsError>),
    Refund(Refund),
}

impl Default for FakePayments {
    fn default() -> Self {
        Self {
            books: Mutex::default(),
            webhooks: WebhookVerifier::new("whsec_fake".into(), false),
        }
    }
}

impl FakePayments {
    /// Orders that the next calls that change something go wrong.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// What happens when a person fills in a page.
    pub fn complete_checkout(&self, id: &CheckoutId, card: &CardId) {
        if let Some(page) = self.lock().checkouts.get_mut(id.as_str()) {
            page.state = CheckoutState::Complete(card.clone());
            page.url = None;
        }
    }

    /// Money taken and not given back.
    pub fn balance(&self) -> Money {
        let books = self.lock();
        let taken: i64 = books.invoices.iter().map(|i| i.paid.cents).sum();
        let back: i64 = books.refunds.iter().map(|(_, r)| r.amount.cents).sum();
        Money::usd(taken - back)
    }

    /// Subscriptions that are not over.
    pub fn live(&self) -> usize {
        self.lock().subscriptions.iter().filter(|s| !s.status.is_over()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic while the books are open")
    }

    /// Does something once per key, unless a fault was ordered.
    fn keyed(&self, key: &Key, work: impl FnOnce(&mut Books) -> Reply) -> Result<Reply, PaymentsError> {
        let mut books = self.lock();
        let fault = books.faults.pop_front();
        if fault == Some(Fault::LostRequest) {
            return Err(PaymentsError::Unknown {
                cause: "no connection".into(),
            });
        }
        let reply = match books.replies.get(key.as_str()) {
            Some(reply) => reply.clone(),
            None => work(&mut books),
        };
        books.replies.insert(key.as_str().to_owned(), reply.clone());
        match fault {
            Some(_) => Err(PaymentsError::Unknown {
                cause: "no reply".into(),
            }),
            None => Ok(reply),
        }
    }
}

impl Books {
    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}", self.made)
    }

    fn charge(&mut self, wanted: &NewSubscription<'_>) -> Result<Subscription, PaymentsError> {
        if wanted.card.as_str().starts_with("card_declined") {
            return Err(PaymentsError::Declined {
                reason: "Your card was declined.".into(),
                code: "card_declined".into(),
            });
        }
        let price = wanted.plan.monthly();
        let (id, bill) = (SubscriptionId::new(self.id("sub")), InvoiceId::new(self.id("in")));
        let payment = PaymentId::new(self.id("pi"));
        let now = START;
        self.invoices.push(Invoice {
            id: bill.clone(),
            number: Some("FAKE-0001".into()),
            subscription: Some(id.clone()),
            status: "paid".into(),
            total: price,
            paid: price,
            payment: Some(payment),
            created_at: now,
        });
        let made = Subscription {
            id,
            customer: wanted.customer.clone(),
            attempt: Some(wanted.attempt),
            status: SubscriptionStatus::Active,
            period_ends_at: now + Duration::days(30),
            price,
            latest_invoice: Some(bill),
        };
        self.subscriptions.push(made.clone());
        Ok(made)
    }
}

fn mixed_up() -> PaymentsError {
    PaymentsError::Refused {
        status: 400,
        code: "idempotency_error".into(),
    }
}

fn missing() -> PaymentsError {
    PaymentsError::Refused {
        status: 404,
        code: "resource_missing".into(),
    }
}

#[async_trait]
impl Payments for FakePayments {
    async fn create_customer(&self, key: &Key, wanted: &NewCustomer<'_>) -> Result<Customer, PaymentsError> {
        let reply = self.keyed(key, |books| {
            let made = Customer {
                id: CustomerId::new(books.id("cus")),
                attempt: Some(wanted.attempt),
            };
            books.customers.push((made.clone(), wanted.email.clone()));
            Reply::Customer(made)
        })?;
        if let Reply::Customer(made) = reply {
            Ok(made)
        } else {
            Err(mixed_up())
        }
    }

    async fn find_customer(&self, attempt: AttemptId, email: &Email) -> Result<Option<Customer>, PaymentsError> {
        let books = self.lock();
        let found = books
            .customers
            .iter()
            .find(|(c, e)| c.attempt == Some(attempt) && e == email);
        Ok(found.map(|(customer, _)| customer.clone()))
    }

    async fn start_checkout(&self, key: &Key, wanted: &NewCheckout<'_>) -> Result<Checkout, PaymentsError> {
        let reply = self.keyed(key, |books| {
            let id = CheckoutId::new(books.id("cs"));
            let url = format!("https://checkout.invalid/{id}");
            let page = StoredCheckout {
                id: id.clone(),
                attempt: Some(wanted.attempt),
                state: CheckoutState::Open,
                url: Some(url.clone()),
            };
            books.checkouts.insert(id.to_string(), page);
            Reply::Checkout(Checkout { id, url })
        })?;
        if let Reply::Checkout(made) = reply {
            Ok(made)
        } else {
            Err(mixed_up())
        }
    }

    async fn read_checkout(&self, id: &CheckoutId) -> Result<StoredCheckout, PaymentsError> {
        self.lock().checkouts.get(id.as_str()).cloned().ok_or_else(missing)
    }

    async fn subscribe(&self, key: &Key, wanted: &NewSubscription<'_>) -> Result<Subscription, PaymentsError> {
        let reply = self.keyed(key, |books| Reply::Subscription(books.charge(wanted)))?;
        if let Reply::Subscription(outcome) = reply {
            outcome
        } else {
            Err(mixed_up())
        }
    }

    async fn find_subscription(
        &self,
        customer: &CustomerId,
        attempt: AttemptId,
    ) -> Result<Option<Subscription>, PaymentsError> {
        let books = self.lock();
        let mine = |s: &&Subscription| s.customer == *customer && s.attempt == Some(attempt) && !s.status.is_over();
        Ok(books.subscriptions.iter().find(mine).cloned())
    }

    async fn get_subscription(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError> {
        self.lock()
            .subscriptions
            .iter()
            .find(|s| s.id == *id)
            .cloned()
            .ok_or_else(missing)
    }

    async fn get_invoice(&self, id: &InvoiceId) -> Result<Invoice, PaymentsError> {
        self.lock()
            .invoices
            .iter()
            .find(|i| i.id == *id)
            .cloned()
            .ok_or_else(missing)
    }

    async fn list_invoices(&self, subscription: &SubscriptionId) -> Result<Vec<Invoice>, PaymentsError> {
        let books = self.lock();
        Ok(books
            .invoices
            .iter()
            .filter(|i| i.subscription.as_ref() == Some(subscription))
            .cloned()
            .collect())
    }

    async fn list_refunds(&self, payment: &PaymentId) -> Result<Vec<Refund>, PaymentsError> {
        Ok(self
            .lock()
            .refunds
            .iter()
            .filter(|(of, _)| of == payment)
            .map(|(_, r)| r.clone())
            .collect())
    }

    async fn get_refund(&self, id: &RefundId) -> Result<Refund, PaymentsError> {
        let books = self.lock();
        let found = books.refunds.iter().find(|(_, r)| r.id == *id);
        found.map(|(_, refund)| refund.clone()).ok_or_else(missing)
    }

    async fn cancel(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError> {
        let mut books = self.lock();
        let found = books
            .subscriptions
            .iter_mut()
            .find(|s| s.id == *id)
            .ok_or_else(missing)?;
        found.status = SubscriptionStatus::Canceled;
        Ok(found.clone())
    }

    async fn refund(&self, key: &Key, wanted: &NewRefund<'_>) -> Result<Refund, PaymentsError> {
        let reply = self.keyed(key, |books| {
            if let Some((_, given_back)) = books.refunds.iter().find(|(of, _)| of == wanted.payment) {
                return Reply::Refund(given_back.clone());
            }
            let paid = books
                .invoices
                .iter()
                .find(|i| i.payment.as_ref() == Some(wanted.payment));
            let amount = paid.map_or(Money::usd(0), |i| i.paid);
            let made = Refund {
                id: RefundId::new(books.id("re")),
                amount,
                payment: wanted.payment.clone(),
                created_at: START,
                stands: true,
            };
            books.refunds.push((wanted.payment.clone(), made.clone()));
            Reply::Refund(made)
        })?;
        if let Reply::Refund(made) = reply {
            Ok(made)
        } else {
            Err(mixed_up())
        }
    }

    fn verify_webhook(&self, body: &[u8], signature: &str, now: OffsetDateTime) -> Result<Event, WebhookError> {
        self.webhooks.verify(body, signature, now)
    }
}
