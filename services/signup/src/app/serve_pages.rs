//! What the web door shows and does for one attempt.

use std::error::Error;

use micro_error::Kind;
use micro_limits::{LimitKey, Rate};
use micro_proto::{
    billing::{ReadCheckoutRequest, StartCheckoutRequest},
    signup::Page,
};
use micro_storage::retrying;
use time::Duration;

use super::{Result, Signup};
use crate::{SignupError, State, attempt::Attempt, store::Attempts};

impl Signup {
    /// The attempt behind a link.
    async fn get_by_link(&self, link: &str) -> Result<Attempt> {
        let id = self.config().keys.read_link(link).ok_or(SignupError::NoLink)?;
        let found = self.find_attempt(id).await?;
        found
            .filter(|attempt| attempt.state != State::Started)
            .ok_or(SignupError::NoLink)
    }

    /// What the page says.
    pub(crate) async fn read_link(&self, link: &str) -> Result<Page> {
        let attempt = self.get_by_link(link).await?;
        Ok(self.page_of(&attempt))
    }

    /// Opens the provider's page, on which the card is entered.
    pub(crate) async fn start_checkout(&self, link: &str) -> Result<String> {
        let attempt = self.get_by_link(link).await?;
        let now = self.now();
        if attempt.is_over(now) || !matches!(attempt.state, State::PaymentPending | State::CardStored) {
            return Err(SignupError::NoCardNeeded);
        }
        let rate = self.config().limits.checkouts_per_attempt;
        self.limit(LimitKey::tries("signup.checkouts", attempt.id.uuid().as_bytes()), rate)
            .await?;
        let page = self.link_of(&attempt);
        let request = StartCheckoutRequest {
            attempt: attempt.id.to_string(),
            email: attempt.email.as_str().to_owned(),
            success_url: format!("{page}/return?session={{CHECKOUT_SESSION_ID}}"),
            cancel_url: format!("{page}?cancelled=1"),
        };
        let checkout = self.ports().billing.start_checkout(&self.caller(), request).await?;
        let db = self.db();
        let kept = retrying(async || {
            let mut tx = db.begin().await?;
            let kept = Attempts(&mut tx)
                .keep_checkout(attempt.id, &checkout.session, now)
                .await?;
            tx.commit().await?;
            Ok::<_, SignupError>(kept)
        })
        .await?;
        if kept {
            Ok(checkout.url)
        } else {
            Err(SignupError::NoCardNeeded)
        }
    }

    /// Reads what became of the card, and keeps it.
    pub(crate) async fn finish_checkout(&self, link: &str, session: &str) -> Result<Page> {
        let attempt = self.get_by_link(link).await?;
        let attempt = self.read_checkout(attempt, session).await?;
        Ok(self.page_of(&attempt))
    }

    /// Asks billing about the attempt's card page, where that can still matter. The browser's way back may have
    /// been cut off, so the terminal's question asks too.
    pub(super) async fn read_checkout(&self, attempt: Attempt, session: &str) -> Result<Attempt> {
        let latest = attempt.checkout_session.clone().unwrap_or_default();
        let session = if session.is_empty() { latest } else { session.to_owned() };
        let wanted =
            attempt.state == State::PaymentPending || (attempt.state == State::CardStored && !session.is_empty());
        if !wanted || session.is_empty() || attempt.is_over(self.now()) {
            return Ok(attempt);
        }
        let request = ReadCheckoutRequest {
            attempt: attempt.id.to_string(),
            session: session.clone(),
        };
        let checkout = match self.ports().billing.read_checkout(&self.caller(), request).await {
            Ok(checkout) => checkout,
            Err(e) if e.kind() == Kind::NotFound => return Ok(attempt),
            Err(e) => return Err(e.into()),
        };
        let card = checkout.payment_method;
        if checkout.state != "complete" || card.is_empty() || attempt.payment_method.as_ref() == Some(&card) {
            return Ok(attempt);
        }
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx).store_card(attempt.id, &session, &card, now).await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        self.announce(attempt.id);
        self.find_attempt(attempt.id).await?.ok_or(SignupError::NoLink)
    }

    /// The same for somebody who waits: at most every ten seconds, and an unanswered question is no harm.
    pub(crate) async fn look_for_card(&self, attempt: Attempt) -> Attempt {
        if attempt.state != State::PaymentPending || attempt.checkout_session.is_none() {
            return attempt;
        }
        let key = LimitKey::tries("signup.looks", attempt.id.uuid().as_bytes());
        if self.limit(key, Rate::of(1, Duration::seconds(10))).await.is_err() {
            return attempt;
        }
        match self.read_checkout(attempt.clone(), "").await {
            Ok(seen) => seen,
            Err(e) => {
                tracing::warn!(error = &e as &dyn Error, attempt.id = %attempt.id, "a card page could not be read");
                attempt
            }
        }
    }

    fn page_of(&self, attempt: &Attempt) -> Page {
        let state = if attempt.is_over(self.now()) {
            State::Expired
        } else {
            attempt.state
        };
        let card = attempt.payment_method.as_deref().filter(|_| state == State::CardStored);
        Page {
            state: state.as_str().to_owned(),
            email: attempt.email.as_str().to_owned(),
            price: self.price(),
            message: attempt.message.clone(),
            payment_token: card
                .map(|card| self.config().keys.payment_token(attempt.id, card))
                .unwrap_or_default(),
            expires_at: attempt.expires_at.unix_timestamp(),
        }
    }
}
