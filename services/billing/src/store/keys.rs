//! Idempotency keys: stored before the call they are for.

use micro_domain::AttemptId;
use micro_payments::Key;
use micro_storage::{StoreError, SystemTx};
use time::OffsetDateTime;

use crate::{
    Operation,
    app::{Call, Result},
};

/// How a try stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not called yet, or nobody knows.
    Open,
    /// Done.
    Done,
    /// A definite no from the card.
    Declined,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Declined => "declined",
        }
    }
}

/// A try.
#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) key: Key,
    pub(crate) subject: String,
    pub(crate) state: State,
    /// JSON; empty while it is open.
    pub(crate) outcome: String,
    pub(crate) keyed_at: OffsetDateTime,
}

type Columns = (String, String, String, Option<String>, OffsetDateTime);

fn stored((key, subject, state, outcome, keyed_at): Columns) -> Result<StoredKey> {
    let damaged = || StoreError::Damaged("a stored payment key".into());
    let state = [State::Open, State::Done, State::Declined]
        .into_iter()
        .find(|s| s.word() == state);
    let (key, state) = (Key::new(key).ok_or_else(damaged)?, state.ok_or_else(damaged)?);
    Ok(StoredKey {
        key,
        subject,
        state,
        outcome: outcome.unwrap_or_default(),
        keyed_at,
    })
}

fn number(stored: i64) -> Result<u32> {
    Ok(u32::try_from(stored).map_err(|_| StoreError::Damaged("a stored try".into()))?)
}

pub(crate) struct Keys<'t>(pub(crate) &'t mut SystemTx);

impl Keys<'_> {
    /// Stores a key for a try, unless it has one.
    pub(crate) async fn add(&mut self, call: &Call<'_>, key: &Key, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "insert into payment_keys (attempt_id, operation, try_number, key, subject, state, keyed_at, updated_at)
             values ($1, $2, $3, $4, $5, 'open', $6, $6)
             on conflict (attempt_id, operation, try_number) do nothing",
        )
        .bind(call.attempt.uuid())
        .bind(call.operation.name())
        .bind(i64::from(call.number))
        .bind(key.as_str())
        .bind(call.subject)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn get(&mut self, call: &Call<'_>) -> Result<StoredKey> {
        let row: Columns = sqlx::query_as(
            "select key, subject, state, outcome, keyed_at from payment_keys
              where attempt_id = $1 and operation = $2 and try_number = $3",
        )
        .bind(call.attempt.uuid())
        .bind(call.operation.name())
        .bind(i64::from(call.number))
        .fetch_one(self.0.conn())
        .await?;
        stored(row)
    }

    /// Records how a try ended. What has ended does not change.
    pub(crate) async fn end(
        &mut self,
        call: &Call<'_>,
        state: State,
        outcome: &str,
        now: OffsetDateTime,
    ) -> Result<()> {
        sqlx::query(
            "update payment_keys set state = $4, outcome = $5, updated_at = $6
              where attempt_id = $1 and operation = $2 and try_number = $3 and state = 'open'",
        )
        .bind(call.attempt.uuid())
        .bind(call.operation.name())
        .bind(i64::from(call.number))
        .bind(state.word())
        .bind(outcome)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// Gives an open try another key, unless somebody has done so.
    pub(crate) async fn replace(&mut self, call: &Call<'_>, old: &Key, new: &Key, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "update payment_keys set key = $5, keyed_at = $6, updated_at = $6
              where attempt_id = $1 and operation = $2 and try_number = $3 and key = $4 and state = 'open'",
        )
        .bind(call.attempt.uuid())
        .bind(call.operation.name())
        .bind(i64::from(call.number))
        .bind(old.as_str())
        .bind(new.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// Every open try of an operation, lowest first.
    pub(crate) async fn open(&mut self, attempt: AttemptId, operation: Operation) -> Result<Vec<(u32, StoredKey)>> {
        let rows: Vec<(i64, String, String, String, Option<String>, OffsetDateTime)> = sqlx::query_as(
            "select try_number, key, subject, state, outcome, keyed_at from payment_keys
              where attempt_id = $1 and operation = $2 and state = 'open' order by try_number",
        )
        .bind(attempt.uuid())
        .bind(operation.name())
        .fetch_all(self.0.conn())
        .await?;
        rows.into_iter()
            .map(|(n, a, b, c, d, e)| Ok((number(n)?, stored((a, b, c, d, e))?)))
            .collect()
    }

    /// The highest try of an operation.
    pub(crate) async fn last(&mut self, attempt: AttemptId, operation: Operation) -> Result<Option<(u32, StoredKey)>> {
        let row: Option<(i64, String, String, String, Option<String>, OffsetDateTime)> = sqlx::query_as(
            "select try_number, key, subject, state, outcome, keyed_at from payment_keys
              where attempt_id = $1 and operation = $2 order by try_number desc limit 1",
        )
        .bind(attempt.uuid())
        .bind(operation.name())
        .fetch_optional(self.0.conn())
        .await?;
        row.map(|(n, a, b, c, d, e)| Ok((number(n)?, stored((a, b, c, d, e))?)))
            .transpose()
    }
}
