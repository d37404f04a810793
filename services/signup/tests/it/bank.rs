//! Billing that remembers: cards, charges by try, refunds, and the faults a test asks for.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::billing::{
    Billing, ReadCheckoutRequest, ReadCheckoutResponse, ReadRequest, ReadResponse, RefundRequest, RefundResponse,
    StartCheckoutRequest, StartCheckoutResponse, SubscribeRequest, SubscribeResponse,
};
use micro_tenancy::Caller;

/// What goes wrong with the next charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card says no.
    Decline,
    /// The provider cannot be reached; nothing happened.
    Unreachable,
    /// The charge happened; its answer was lost.
    LostAnswer,
}

#[derive(Clone, Default)]
pub struct Bank(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    sessions: HashMap<String, (String, bool)>,
    opened: usize,
    /// By attempt and try: a key of idempotency.
    charges: BTreeMap<(String, u32), Result<(), ()>>,
    refunded: Vec<String>,
    faults: VecDeque<Fault>,
    urls: Vec<(String, String)>,
}

impl Bank {
    pub fn fail_next(&self, faults: &[Fault]) {
        self.books().faults.extend(faults);
    }

    /// The person enters a card on the provider's page.
    pub fn enter_card(&self, session: &str) {
        self.books().sessions.get_mut(session).expect("an open page").1 = true;
    }

    /// How often money was taken, for all attempts.
    pub fn charges(&self) -> usize {
        self.books().charges.values().filter(|charge| charge.is_ok()).count()
    }

    pub fn refunds(&self) -> usize {
        self.books().refunded.len()
    }

    /// Where the provider sends the browser.
    pub fn ways_back(&self) -> (String, String) {
        self.books().urls.last().cloned().expect("a page was opened")
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().expect("unpoisoned")
    }
}

#[async_trait]
impl Billing for Bank {
    async fn start_checkout(
        &self,
        caller: &Caller,
        request: StartCheckoutRequest,
    ) -> Result<StartCheckoutResponse, Error> {
        caller.require_system()?;
        let mut books = self.books();
        books.opened += 1;
        let session = format!("cs_{}", books.opened);
        books.sessions.insert(session.clone(), (request.attempt, false));
        books.urls.push((request.success_url, request.cancel_url));
        Ok(StartCheckoutResponse {
            url: format!("https://checkout.example/{session}"),
            session,
        })
    }

    async fn read_checkout(
        &self,
        caller: &Caller,
        request: ReadCheckoutRequest,
    ) -> Result<ReadCheckoutResponse, Error> {
        caller.require_system()?;
        match self.books().sessions.get(&request.session) {
            Some((attempt, complete)) if *attempt == request.attempt => Ok(ReadCheckoutResponse {
                state: if *complete { "complete" } else { "open" }.into(),
                payment_method: complete.then(|| format!("pm_{}", request.session)).unwrap_or_default(),
            }),
            _ => Err(Error::new(Kind::NotFound, "billing.checkout", "no such page")),
        }
    }

    async fn subscribe(&self, caller: &Caller, request: SubscribeRequest) -> Result<SubscribeResponse, Error> {
        caller.require_system()?;
        assert!(request.payment_method.starts_with("pm_"), "the card of this attempt");
        let declined = || Error::new(Kind::PaymentRequired, "billing.declined", "Your card was declined.");
        let lost = || Error::new(Kind::Unavailable, "billing", "no answer");
        let mut books = self.books();
        let key = (request.attempt.clone(), request.r#try);
        let fault = books.faults.pop_front();
        if fault == Some(Fault::Unreachable) {
            return Err(lost());
        }
        let charge = if fault == Some(Fault::Decline) { Err(()) } else { Ok(()) };
        let kept = *books.charges.entry(key).or_insert(charge);
        if fault == Some(Fault::LostAnswer) {
            return Err(lost());
        }
        kept.map_err(|()| declined())?;
        Ok(SubscribeResponse {
            status: "active".into(),
            ..Default::default()
        })
    }

    async fn refund(&self, caller: &Caller, request: RefundRequest) -> Result<RefundResponse, Error> {
        caller.require_system()?;
        let mut books = self.books();
        let charged = books
            .charges
            .iter()
            .any(|((attempt, _), charge)| *attempt == request.attempt && charge.is_ok());
        if charged && !books.refunded.contains(&request.attempt) {
            books.refunded.push(request.attempt);
        }
        Ok(RefundResponse {
            cents: if charged { 3_500 } else { 0 },
        })
    }

    async fn read(&self, _: &Caller, _: ReadRequest) -> Result<ReadResponse, Error> {
        Err(Error::new(Kind::NotFound, "billing", "not asked by sign-up"))
    }
}
