//! Calls that change something at the provider, each under a key that is stored before the call.
//!
//! A definite no ends the try, and the next try gets a key of its own. What is not known is read back by list; only
//! if the list shows nothing is the same key sent again. The provider forgets keys after a day, so an older one that
//! the list does not know is replaced.

use micro_clock::Ids;
use micro_domain::AttemptId;
use micro_payments::{Key, PaymentsError};
use micro_storage::{failpoint, retrying};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::Duration;

use super::{Billing, Result};
use crate::{
    BillingError,
    store::{Keys, State, StoredKey},
};

/// When a key is no longer trusted to be remembered: the provider promises a day.
const KEY_LIFE: Duration = Duration::hours(23);

/// A call to the provider that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Makes a customer.
    Customer,
    /// Opens a page for a card.
    Checkout,
    /// Charges the first month.
    Subscribe,
    /// Gives money back.
    Refund,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Customer, Self::Checkout, Self::Subscribe, Self::Refund];

    /// Its name in storage, keys and failpoints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Checkout => "checkout",
            Self::Subscribe => "subscribe",
            Self::Refund => "refund",
        }
    }

    /// The four moments at which a crash is different: before the key is stored, before the call, before its outcome
    /// is recorded, and before that is passed on. Each is a failpoint.
    pub const fn failpoints(self) -> [&'static str; 4] {
        match self {
            Self::Customer => [
                "billing.customer.intent",
                "billing.customer.effect",
                "billing.customer.record",
                "billing.customer.reply",
            ],
            Self::Checkout => [
                "billing.checkout.intent",
                "billing.checkout.effect",
                "billing.checkout.record",
                "billing.checkout.reply",
            ],
            Self::Subscribe => [
                "billing.subscribe.intent",
                "billing.subscribe.effect",
                "billing.subscribe.record",
                "billing.subscribe.reply",
            ],
            Self::Refund => [
                "billing.refund.intent",
                "billing.refund.effect",
                "billing.refund.record",
                "billing.refund.reply",
            ],
        }
    }
}

/// One try of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) attempt: AttemptId,
    pub(crate) operation: Operation,
    /// Grows with each definite no.
    pub(crate) number: u32,
    /// What it is about, such as a card: a try never means two.
    pub(crate) subject: &'a str,
}

/// Why a card was declined, as a try keeps it.
#[derive(Serialize, Deserialize)]
struct Declined {
    reason: String,
    code: String,
}

impl Billing {
    /// Does a call once, however often it is asked for: `send` under the stored key, `find` by the provider's list.
    pub(crate) async fn keyed<T, S, Sent, F, Found>(&self, call: &Call<'_>, send: S, find: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        S: FnOnce(Key) -> Sent,
        Sent: Future<Output = std::result::Result<T, PaymentsError>>,
        F: Fn() -> Found,
        Found: Future<Output = std::result::Result<Option<T>, PaymentsError>>,
    {
        let [intent, effect, record, reply] = call.operation.failpoints();
        failpoint(intent);
        let (stored, fresh) = self.intend(call).await?;
        if stored.subject != call.subject {
            return Err(BillingError::TryUsed);
        }
        if let Some(outcome) = ended(&stored)? {
            return outcome;
        }
        let key = match fresh {
            true => stored.key,
            false => match find().await? {
                Some(found) => return self.done(call, found).await,
                None if stored.keyed_at + KEY_LIFE < self.now() => self.rekey(call, &stored.key).await?,
                None => stored.key,
            },
        };
        failpoint(effect);
        let sent = send(key.clone()).await;
        failpoint(record);
        let outcome = match sent {
            Ok(made) => self.done(call, made).await,
            Err(PaymentsError::Declined { reason, code }) => self.declined(call, reason, code).await,
            Err(refused @ PaymentsError::Refused { .. }) => {
                // Nothing was done: the same try may be made again, under another key. A misused key is no such no:
                // what it was first used for may have been done.
                if !matches!(&refused, PaymentsError::Refused { code, .. } if code == "idempotency_error") {
                    self.rekey(call, &key).await?;
                }
                Err(refused.into())
            }
            Err(unknown @ PaymentsError::Unknown { .. }) => match find().await {
                Ok(Some(found)) => self.done(call, found).await,
                _ => Err(unknown.into()),
            },
        };
        failpoint(reply);
        outcome
    }

    /// Stores the key unless the try has one; whether this is the first time.
    async fn intend(&self, call: &Call<'_>) -> Result<(StoredKey, bool)> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            let fresh = Keys(&mut tx).add(call, &fresh_key(call), now).await?;
            let stored = Keys(&mut tx).get(call).await?;
            tx.commit().await?;
            Ok((stored, fresh))
        })
        .await
    }

    async fn done<T: Serialize>(&self, call: &Call<'_>, outcome: T) -> Result<T> {
        let text = serde_json::to_string(&outcome).map_err(micro_storage::StoreError::failed)?;
        self.end(call, State::Done, &text).await?;
        Ok(outcome)
    }

    async fn declined<T>(&self, call: &Call<'_>, reason: String, code: String) -> Result<T> {
        let why = Declined { reason, code };
        let text = serde_json::to_string(&why).map_err(micro_storage::StoreError::failed)?;
        self.end(call, State::Declined, &text).await?;
        Err(BillingError::Declined {
            reason: why.reason,
            code: why.code,
        })
    }

    async fn end(&self, call: &Call<'_>, state: State, outcome: &str) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Keys(&mut tx).end(call, state, outcome, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }

    /// Another key for the same try.
    async fn rekey(&self, call: &Call<'_>, old: &Key) -> Result<Key> {
        let (db, now, new) = (self.db(), self.now(), fresh_key(call));
        retrying(async || {
            let mut tx = db.begin().await?;
            Keys(&mut tx).replace(call, old, &new, now).await?;
            let stored = Keys(&mut tx).get(call).await?;
            tx.commit().await?;
            Ok(stored.key)
        })
        .await
    }
}

/// The outcome of a try that is over.
fn ended<T: DeserializeOwned>(stored: &StoredKey) -> Result<Option<Result<T>>> {
    let read = |e: serde_json::Error| micro_storage::StoreError::Damaged(format!("a payment's outcome: {e}"));
    Ok(match stored.state {
        State::Open => None,
        State::Done => Some(Ok(serde_json::from_str(&stored.outcome).map_err(read)?)),
        State::Declined => {
            let Declined { reason, code } = serde_json::from_str(&stored.outcome).map_err(read)?;
            Some(Err(BillingError::Declined { reason, code }))
        }
    })
}

/// Says what it is for, to people who look at the provider's pages; the random part makes each one new.
fn fresh_key(call: &Call<'_>) -> Key {
    let random = hex::encode(Ids.bytes::<8>());
    let text = format!(
        "micro:{}:{}:{}:{random}",
        call.operation.name(),
        call.attempt,
        call.number
    );
    Key::new(text).expect("letters, digits and dashes, shorter than 255")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failpoints_are_named_after_their_operation() {
        for operation in Operation::ALL {
            let expected =
                ["intent", "effect", "record", "reply"].map(|moment| format!("billing.{}.{moment}", operation.name()));
            assert_eq!(operation.failpoints().map(str::to_owned), expected);
        }
    }
}
