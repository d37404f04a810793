//! The rpcs: who may ask, what was asked, what is answered.

use async_trait::async_trait;
use micro_domain::{AttemptId, Email, NamespaceId};
use micro_error::{Error, Kind};
use micro_payments::{CardId, CheckoutId};
use micro_proto::billing as wire;
use micro_tenancy::Caller;

use crate::{
    Billing, BillingError,
    app::{Purchase, Returns},
};

fn attempt(text: &str) -> Result<AttemptId, BillingError> {
    text.parse().map_err(|_| BillingError::Malformed("attempt"))
}

fn email(text: &str) -> Result<Email, BillingError> {
    Email::parse(text).map_err(|_| BillingError::Malformed("email"))
}

/// The namespace that a field names by id, or that the caller is in.
fn namespace(caller: &Caller, named: &str) -> Result<NamespaceId, Error> {
    let own = caller.enter("").ok().map(|tenant| tenant.id());
    let named = (!named.is_empty()).then(|| named.parse::<NamespaceId>());
    match (named, own) {
        (Some(Ok(id)), Some(own)) if id != own => {
            Err(Error::new(Kind::Forbidden, "auth", "Access denied to namespace"))
        }
        (Some(Ok(id)), _) | (None, Some(id)) => Ok(id),
        (Some(Err(_)), _) | (None, None) => Err(BillingError::Malformed("namespace").into()),
    }
}

#[async_trait]
impl wire::Billing for Billing {
    async fn start_checkout(
        &self,
        caller: &Caller,
        request: wire::StartCheckoutRequest,
    ) -> Result<wire::StartCheckoutResponse, Error> {
        caller.require_system()?;
        let (attempt, email) = (attempt(&request.attempt)?, email(&request.email)?);
        let returns = Returns {
            success: &request.success_url,
            cancel: &request.cancel_url,
        };
        let page = Billing::start_checkout(self, attempt, &email, &returns).await?;
        Ok(wire::StartCheckoutResponse {
            session: page.id.to_string(),
            url: page.url,
        })
    }

    async fn read_checkout(
        &self,
        caller: &Caller,
        request: wire::ReadCheckoutRequest,
    ) -> Result<wire::ReadCheckoutResponse, Error> {
        caller.require_system()?;
        let (attempt, page) = (attempt(&request.attempt)?, CheckoutId::new(request.session));
        let (state, card) = Billing::read_checkout(self, attempt, &page).await?;
        let payment_method = card.map(|card| card.to_string()).unwrap_or_default();
        Ok(wire::ReadCheckoutResponse {
            state: state.into(),
            payment_method,
        })
    }

    async fn subscribe(
        &self,
        caller: &Caller,
        request: wire::SubscribeRequest,
    ) -> Result<wire::SubscribeResponse, Error> {
        caller.require_system()?;
        let purchase = Purchase {
            attempt: attempt(&request.attempt)?,
            email: email(&request.email)?,
            card: CardId::new(request.payment_method),
            number: request.r#try,
            namespace: namespace(caller, &request.namespace)?,
        };
        let row = Billing::subscribe(self, &purchase).await?;
        Ok(wire::SubscribeResponse {
            customer: row.customer.to_string(),
            subscription: row.subscription.to_string(),
            status: row.status.as_str().into(),
        })
    }

    async fn refund(&self, caller: &Caller, request: wire::RefundRequest) -> Result<wire::RefundResponse, Error> {
        caller.require_system()?;
        let attempt = attempt(&request.attempt)?;
        let given_back = Billing::refund(self, attempt).await?;
        tracing::info!(attempt.id = %attempt, cents = given_back.cents, reason = request.reason, "refunded");
        Ok(wire::RefundResponse {
            cents: given_back.cents,
        })
    }

    async fn read(&self, caller: &Caller, request: wire::ReadRequest) -> Result<wire::ReadResponse, Error> {
        caller.require_system()?;
        let id = namespace(caller, &request.namespace_id)?;
        let row = Billing::read(self, caller.enter("").ok(), id).await?;
        Ok(wire::ReadResponse {
            customer: row.customer.to_string(),
            subscription: row.subscription.to_string(),
            status: row.status.as_str().into(),
            period_ends_at: row.period_ends_at.map(|at| at.unix_timestamp()).unwrap_or_default(),
            cents: row.price.cents,
            currency: row.price.currency.code().into(),
        })
    }
}
