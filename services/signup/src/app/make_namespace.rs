//! The saga: from a stored card to a namespace that its owner can see. Each step is recorded, safe to repeat, and
//! resumed by its job after any crash; a decline leads back to the page, and a broken promise to a refund.

use micro_domain::{AttemptId, Namespace};
use micro_error::Kind;
use micro_proto::{
    auth::EnsureAccountRequest,
    billing::{RefundRequest, SubscribeRequest},
    namespaces::{
        Identity, Namespace as WireNamespace, ProvisionRequest, PutIdentityRequest, RemoveIdentityRequest,
        ReserveRequest,
    },
};
use micro_storage::{
    jobs, retrying,
    saga::{Run, Saga},
};

use super::{Result, Signup, read_namespace};
use crate::{
    SignupError, State,
    attempt::Attempt,
    jobs::{SendRefunded, SendWelcome, TakeBack},
    store::Attempts,
};

/// The steps from a stored card to a ready namespace. Nothing is visible before its walls stand, so the address is
/// recorded after they were raised.
pub struct SignupSaga;

impl Saga for SignupSaga {
    const NAME: &'static str = "signup";
    const STEPS: &'static [&'static str] = &["reserve", "subscribe", "account", "provision", "identity", "ready"];
}

/// How a run of the saga left the attempt.
enum Outcome {
    Ready,
    /// A definite no from the card, and why.
    Declined(String),
    /// Another attempt of the address came first.
    Known,
}

impl Signup {
    /// Carries an attempt on from wherever it is: the handler of its job. Fails to be run again.
    pub(crate) async fn make_namespace(&self, id: AttemptId) -> Result<()> {
        let Some(attempt) = self
            .find_attempt(id)
            .await?
            .filter(|attempt| attempt.state.is_under_way())
        else {
            return Ok(());
        };
        let outcome = if attempt.is_too_late(self.now()) {
            self.give_back(&attempt).await
        } else {
            let mut run = Run::open(&self.db(), self.clock(), id.uuid()).await?;
            match self.go_on(&mut run, &attempt).await? {
                Outcome::Ready => Ok(()),
                Outcome::Declined(reason) => self.decline(&attempt, &reason).await,
                Outcome::Known => self.stand_back(&attempt).await,
            }
        };
        self.announce(id);
        outcome
    }

    async fn go_on(&self, run: &mut Run<SignupSaga>, attempt: &Attempt) -> Result<Outcome> {
        if run.outcome::<()>("identity")?.is_none() {
            // Looked at again now that no other attempt of the address can be under way.
            let belongs = self.find_identity(&attempt.email).await?;
            if belongs.is_some_and(|belongs| belongs.account != attempt.account_id()) {
                return Ok(Outcome::Known);
            }
        }
        let namespace = run.step("reserve", async |_| self.reserve(attempt).await).await?;
        if attempt.payment_required {
            match run
                .step("subscribe", async |_| self.subscribe(attempt, &namespace).await)
                .await
            {
                Ok(()) => {}
                Err(SignupError::Elsewhere(e)) if e.kind() == Kind::PaymentRequired => {
                    return Ok(Outcome::Declined(e.message().to_owned()));
                }
                Err(e) => return Err(e),
            }
        }
        self.mark_paid(attempt).await?;
        run.step("account", async |_| self.ensure_account(attempt, &namespace).await)
            .await?;
        run.step("provision", async |_| self.provision(&namespace).await)
            .await?;
        run.step("identity", async |_| self.put_identity(attempt, &namespace).await)
            .await?;
        run.step("ready", async |_| self.mark_ready(attempt).await).await?;
        Ok(Outcome::Ready)
    }

    /// Three words, the same each time.
    async fn reserve(&self, attempt: &Attempt) -> Result<Namespace> {
        let request = ReserveRequest {
            attempt: attempt.id.to_string(),
        };
        let namespace = read_namespace(
            self.ports()
                .namespaces
                .reserve(&self.caller(), request)
                .await?
                .namespace,
        )?;
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx).name(attempt.id, &namespace, now).await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        Ok(namespace)
    }

    /// Customer, subscription and first charge. Billing keeps the idempotency key of this card's try.
    async fn subscribe(&self, attempt: &Attempt, namespace: &Namespace) -> Result<()> {
        let request = SubscribeRequest {
            attempt: attempt.id.to_string(),
            email: attempt.email.as_str().to_owned(),
            payment_method: attempt.payment_method.clone().unwrap_or_default(),
            r#try: attempt.payment_try,
            namespace: namespace.id.to_string(),
        };
        self.ports().billing.subscribe(&self.caller(), request).await?;
        Ok(())
    }

    async fn mark_paid(&self, attempt: &Attempt) -> Result<()> {
        if attempt.state != State::Paying {
            return Ok(());
        }
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx).paid(attempt.id, now).await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        self.announce(attempt.id);
        Ok(())
    }

    async fn ensure_account(&self, attempt: &Attempt, namespace: &Namespace) -> Result<()> {
        let request = EnsureAccountRequest {
            account: attempt.account_id(),
            name: attempt.email.as_str().to_owned(),
            scopes: vec!["admin".into()],
            secret_hash: attempt.secret_hash.clone().unwrap_or_default(),
        };
        self.ports()
            .sessions
            .ensure(&self.caller_in(namespace), request)
            .await?;
        Ok(())
    }

    async fn provision(&self, namespace: &Namespace) -> Result<()> {
        let request = ProvisionRequest {
            id: namespace.id.to_string(),
        };
        self.ports().namespaces.provision(&self.caller(), request).await?;
        Ok(())
    }

    async fn put_identity(&self, attempt: &Attempt, namespace: &Namespace) -> Result<()> {
        let identity = Identity {
            email: attempt.email.as_str().to_owned(),
            namespace: Some(WireNamespace {
                id: namespace.id.to_string(),
                ..Default::default()
            }),
            account: attempt.account_id(),
        };
        self.ports()
            .identities
            .put(
                &self.caller(),
                PutIdentityRequest {
                    identity: Some(identity),
                },
            )
            .await?;
        Ok(())
    }

    async fn mark_ready(&self, attempt: &Attempt) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            if Attempts(&mut tx).ready(attempt.id, &attempt.account_id(), now).await? {
                jobs::queue(&mut tx, SendWelcome { attempt: attempt.id }, now).await?;
            }
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await
    }

    /// Back to the page: the same link, another card, another try.
    async fn decline(&self, attempt: &Attempt, reason: &str) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx)
                .decline(attempt.id, attempt.payment_try, reason, now)
                .await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await
    }

    /// Another attempt of the address has made its namespace meanwhile: nothing was charged here.
    async fn stand_back(&self, attempt: &Attempt) -> Result<()> {
        let Some(belongs) = self.find_identity(&attempt.email).await? else {
            return Err(SignupError::StillAtIt);
        };
        self.know(attempt.clone(), belongs).await.map(drop)
    }

    /// The promise is broken: hide what there is, give the money back, say so, and have the rest taken down.
    async fn give_back(&self, attempt: &Attempt) -> Result<()> {
        // Each of these may be repeated, and says the same again: a crash in between changes nothing.
        self.remove_identity(attempt).await?;
        let cents = if attempt.payment_required {
            self.refund(attempt).await?
        } else {
            0
        };
        tracing::error!(alarm = "signup.too_late", attempt.id = %attempt.id, refunded.cents = cents, "a sign-up was not ready in time");
        let end = if cents > 0 { State::Refunded } else { State::Failed };
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            if Attempts(&mut tx).end(attempt.id, end, now).await? {
                if end == State::Refunded {
                    jobs::queue(
                        &mut tx,
                        SendRefunded {
                            attempt: attempt.id,
                            cents,
                        },
                        now,
                    )
                    .await?;
                }
                jobs::queue(&mut tx, TakeBack { attempt: attempt.id }, now).await?;
            }
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await
    }

    async fn remove_identity(&self, attempt: &Attempt) -> Result<()> {
        let Some(namespace) = &attempt.namespace else {
            return Ok(());
        };
        let request = RemoveIdentityRequest {
            email: attempt.email.as_str().to_owned(),
            namespace_id: namespace.id.to_string(),
        };
        self.ports().identities.remove(&self.caller(), request).await?;
        Ok(())
    }

    async fn refund(&self, attempt: &Attempt) -> Result<i64> {
        let request = RefundRequest {
            attempt: attempt.id.to_string(),
            reason: "not ready in time".into(),
        };
        Ok(self.ports().billing.refund(&self.caller(), request).await?.cents)
    }
}
