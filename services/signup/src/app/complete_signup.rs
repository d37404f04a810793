//! The password is set and, where payment is due, the card is charged: the saga takes over, and its end is waited
//! for.

use micro_domain::{AttemptId, Namespace};
use micro_proto::{auth, signup as wire};
use micro_storage::{jobs, retrying};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{Belongs, Confirmed, Result, Signup, why_over};
use crate::{
    SignupError, State,
    attempt::{Attempt, PATIENCE},
    jobs::{Deadline, MakeNamespace},
    password,
    store::Attempts,
};

/// How long a caller is kept waiting for its namespace: older clients give up after 30 s.
const WAIT: std::time::Duration = std::time::Duration::from_secs(25);

/// A login in the namespace that was made, or was there.
pub(crate) struct Completed {
    pub(crate) token: wire::AuthToken,
    pub(crate) namespace: Namespace,
}

impl Signup {
    /// Goes on from wherever the attempt is; a lost answer may be asked for again.
    pub(crate) async fn complete(
        &self,
        attempt: Attempt,
        password: &SecretString,
        payment_token: &str,
    ) -> Result<Completed> {
        password::check(password, &attempt.email)?;
        let now = self.now();
        if attempt.is_over(now) {
            return Err(SignupError::Expired);
        }
        match attempt.state {
            State::Started => Err(SignupError::BadHandle),
            State::Verified if attempt.known => self.set_password(&attempt, password).await,
            State::Verified | State::PaymentPending | State::CardStored => {
                if let Some(belongs) = self.find_identity(&attempt.email).await? {
                    return self.complete_as_known(attempt, belongs, password).await;
                }
                let attempt = self.check_payment(attempt, payment_token).await?;
                self.begin(&attempt, password).await?;
                self.await_end(attempt.id, password).await
            }
            State::Paying | State::Provisioning => self.await_end(attempt.id, password).await,
            State::Ready if attempt.ready_at.is_some_and(|at| now - at < PATIENCE) => {
                self.completed(&attempt, false).await
            }
            over => Err(why_over(over)),
        }
    }

    /// The card must be stored; what was pasted, if anything, must be what its page showed.
    async fn check_payment(&self, attempt: Attempt, payment_token: &str) -> Result<Attempt> {
        if !attempt.payment_required {
            return Ok(attempt);
        }
        let attempt = self.read_checkout(attempt, "").await?;
        let Some(card) = attempt
            .payment_method
            .as_deref()
            .filter(|_| attempt.state == State::CardStored)
        else {
            return Err(match payment_token.trim() {
                "" => SignupError::CardMissing(self.link_of(&attempt)),
                _ => SignupError::BadPaymentToken,
            });
        };
        let is_token = self.config().keys.is_payment_token(payment_token, attempt.id, card);
        if payment_token.trim().is_empty() || is_token {
            Ok(attempt)
        } else {
            Err(SignupError::BadPaymentToken)
        }
    }

    /// The attempt and the job that carries it through, in one transaction. From here on a crash is resumed. The
    /// password itself is never stored, only what auth makes of it.
    async fn begin(&self, attempt: &Attempt, password: &SecretString) -> Result<()> {
        let secret_hash = self.seal(password).await?;
        let (db, now, id) = (self.db(), self.now(), attempt.id);
        retrying(async || {
            let mut tx = db.begin().await?;
            if !Attempts(&mut tx).begin(id, attempt.state, &secret_hash, now).await? {
                return Ok(());
            }
            let make = MakeNamespace {
                attempt: id,
                payment_try: attempt.payment_try,
            };
            if let Some(job) = jobs::queue(&mut tx, make, now).await? {
                let deadline = Deadline {
                    attempt: id,
                    payment_try: attempt.payment_try,
                    job,
                };
                jobs::queue_at(&mut tx, deadline, now + PATIENCE, now).await?;
            }
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        self.announce(id);
        Ok(())
    }

    async fn seal(&self, password: &SecretString) -> Result<String> {
        let request = auth::SealSecretRequest {
            secret: password.expose_secret().to_owned(),
        };
        Ok(self.ports().sessions.seal(&self.caller(), request).await?.secret_hash)
    }

    /// Waits for what the saga makes of it.
    async fn await_end(&self, id: AttemptId, password: &SecretString) -> Result<Completed> {
        let until = Instant::now() + WAIT;
        let moved = self
            .wait_until(id, until, |attempt| !attempt.state.is_under_way())
            .await?;
        let attempt = moved.ok_or(SignupError::StillAtIt)?;
        match attempt.state {
            State::Ready => self.completed(&attempt, false).await,
            // Another attempt of the address came first.
            State::Verified if attempt.known => self.set_password(&attempt, password).await,
            State::PaymentPending => Err(SignupError::Declined {
                reason: attempt.message.clone(),
                link: self.link_of(&attempt),
            }),
            over => Err(why_over(over)),
        }
    }

    async fn complete_as_known(
        &self,
        attempt: Attempt,
        belongs: Belongs,
        password: &SecretString,
    ) -> Result<Completed> {
        match self.know(attempt, belongs).await? {
            Confirmed::Known(attempt, belongs) => {
                let attempt = Attempt {
                    namespace: Some(belongs.namespace),
                    account: Some(belongs.account),
                    ..attempt
                };
                self.set_password(&attempt, password).await
            }
            Confirmed::New(_) => Err(SignupError::BadHandle),
        }
    }

    /// A known address: a new password, every other login ended, nothing paid.
    async fn set_password(&self, attempt: &Attempt, password: &SecretString) -> Result<Completed> {
        let namespace = attempt.namespace.as_ref().ok_or(SignupError::BadHandle)?;
        let ensure = auth::EnsureAccountRequest {
            account: attempt.account_id(),
            name: attempt.email.as_str().to_owned(),
            scopes: vec!["admin".into()],
            secret_hash: self.seal(password).await?,
        };
        self.ports().sessions.ensure(&self.caller_in(namespace), ensure).await?;
        let completed = self.completed(attempt, true).await?;
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx).ready(attempt.id, &attempt.account_id(), now).await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        self.announce(attempt.id);
        Ok(completed)
    }

    async fn completed(&self, attempt: &Attempt, end_others: bool) -> Result<Completed> {
        let namespace = attempt.namespace.clone().ok_or(SignupError::BadHandle)?;
        let token = self.issue_token(&namespace, &attempt.account_id(), end_others).await?;
        Ok(Completed { token, namespace })
    }
}
