//! The attempts. Every change names the state it starts from, so that what runs twice changes nothing twice.

use micro_domain::{AttemptId, Email, Namespace};
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::{
    SignupError, State,
    attempt::{Attempt, MOST_TRIES},
    secrets::{Digested, TypedCode},
};

type Result<T> = std::result::Result<T, SignupError>;

macro_rules! selecting {
    ($rest:literal) => {
        concat!(
            "select a.attempt_id, a.email, a.state, a.known, a.payment_required, a.checkout_session, a.payment_method,
                    a.payment_try, a.secret_hash, a.namespace_id, a.namespace_name, a.account, a.message, a.paying_at,
                    a.ready_at, a.expires_at from signup_attempts a ",
            $rest
        )
    };
}

/// What a new attempt starts with.
pub(crate) struct NewAttempt<'a> {
    pub(crate) id: AttemptId,
    pub(crate) email: &'a Email,
    pub(crate) session_hash: Option<&'a Digested>,
    pub(crate) payment_required: bool,
    pub(crate) expires_at: OffsetDateTime,
}

pub(crate) struct Attempts<'t>(pub(crate) &'t mut SystemTx);

impl Attempts<'_> {
    pub(crate) async fn add(&mut self, new: &NewAttempt<'_>, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "insert into signup_attempts
                    (attempt_id, email, session_hash, state, payment_required, started_at, expires_at, updated_at)
             values ($1, $2, $3, 'started', $4, $5, $6, $5)",
        )
        .bind(new.id.uuid())
        .bind(new.email.as_str())
        .bind(new.session_hash.map(|hash| hash.0.as_slice()))
        .bind(new.payment_required)
        .bind(now)
        .bind(new.expires_at)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    pub(crate) async fn find(&mut self, id: AttemptId) -> Result<Option<Attempt>> {
        Ok(sqlx::query_as(selecting!("where a.attempt_id = $1"))
            .bind(id.uuid())
            .fetch_optional(self.0.conn())
            .await?)
    }

    pub(crate) async fn find_by_session(&mut self, hash: &Digested) -> Result<Option<Attempt>> {
        Ok(sqlx::query_as(selecting!("where a.session_hash = $1"))
            .bind(&hash.0)
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// By a code that was accepted before: from then on it names the attempt. Only where the terminal holds no
    /// better handle.
    pub(crate) async fn find_by_used_code(&mut self, code: &TypedCode) -> Result<Option<Attempt>> {
        let (query, hash) = match code {
            TypedCode::Long(hash) => (
                selecting!(
                    "join signup_codes c on c.attempt_id = a.attempt_id
                            where c.long_hash = $1 and c.used_at is not null and a.session_hash is null"
                ),
                hash,
            ),
            TypedCode::Short(hash) => (
                selecting!(
                    "join signup_codes c on c.attempt_id = a.attempt_id
                            where c.short_hash = $1 and c.used_at is not null and a.session_hash is null
                            order by c.used_at desc limit 1"
                ),
                hash,
            ),
        };
        Ok(sqlx::query_as(query)
            .bind(&hash.0)
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// By a code that was mailed to this address, used or not.
    pub(crate) async fn find_by_code_of(&mut self, email: &Email, code: &TypedCode) -> Result<Option<Attempt>> {
        let (query, hash) = match code {
            TypedCode::Long(hash) => (
                selecting!(
                    "join signup_codes c on c.attempt_id = a.attempt_id
                            where c.long_hash = $1 and a.email = $2 and a.session_hash is null"
                ),
                hash,
            ),
            TypedCode::Short(hash) => (
                selecting!(
                    "join signup_codes c on c.attempt_id = a.attempt_id
                            where c.short_hash = $1 and a.email = $2 and a.session_hash is null
                            order by a.started_at desc limit 1"
                ),
                hash,
            ),
        };
        Ok(sqlx::query_as(query)
            .bind(&hash.0)
            .bind(email.as_str())
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The newest attempt of an address whose terminal holds no secret: whom an older client means.
    pub(crate) async fn find_latest_of(&mut self, email: &Email) -> Result<Option<Attempt>> {
        Ok(sqlx::query_as(selecting!(
            "where a.email = $1 and a.session_hash is null order by a.started_at desc limit 1"
        ))
        .bind(email.as_str())
        .fetch_optional(self.0.conn())
        .await?)
    }

    /// Counts a try at a code, unless there were too many.
    pub(crate) async fn count_try(&mut self, id: AttemptId) -> Result<bool> {
        let done = sqlx::query("update signup_attempts set tries = tries + 1 where attempt_id = $1 and tries < $2")
            .bind(id.uuid())
            .bind(MOST_TRIES)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The address is proven.
    pub(crate) async fn verify(
        &mut self,
        id: AttemptId,
        to: State,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts set state = $2, verified_at = $4, expires_at = $3, updated_at = $4
              where attempt_id = $1 and state = 'started'",
        )
        .bind(id.uuid())
        .bind(to.as_str())
        .bind(expires_at)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The address has a namespace: nothing is paid, and little time is left to set a password.
    pub(crate) async fn know(
        &mut self,
        id: AttemptId,
        namespace: &Namespace,
        account: &str,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts
                set state = 'verified', known = true, namespace_id = $2, namespace_name = $3, account = $4,
                    secret_hash = null, paying_at = null, expires_at = $5, updated_at = $6
              where attempt_id = $1 and state in ('verified', 'payment_pending', 'card_stored', 'paying')",
        )
        .bind(id.uuid())
        .bind(namespace.id.uuid())
        .bind(namespace.name.as_str())
        .bind(account)
        .bind(expires_at)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A card page was opened.
    pub(crate) async fn keep_checkout(&mut self, id: AttemptId, session: &str, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts set checkout_session = $2, updated_at = $3
              where attempt_id = $1 and state in ('payment_pending', 'card_stored')",
        )
        .bind(id.uuid())
        .bind(session)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A card page was completed.
    pub(crate) async fn store_card(
        &mut self,
        id: AttemptId,
        session: &str,
        payment_method: &str,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts
                set state = 'card_stored', checkout_session = $2, payment_method = $3, message = '', updated_at = $4
              where attempt_id = $1 and state in ('payment_pending', 'card_stored')",
        )
        .bind(id.uuid())
        .bind(session)
        .bind(payment_method)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Hands the attempt to the saga. Refused where another attempt of the address is with it.
    pub(crate) async fn begin(
        &mut self,
        id: AttemptId,
        from: State,
        secret_hash: &str,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts set state = 'paying', secret_hash = $3, message = '', paying_at = $4, updated_at = $4
              where attempt_id = $1 and state = $2",
        )
        .bind(id.uuid())
        .bind(from.as_str())
        .bind(secret_hash)
        .bind(now)
        .execute(self.0.conn())
        .await;
        match done {
            Ok(done) => Ok(done.rows_affected() == 1),
            Err(e) if e.as_database_error().is_some_and(|e| e.is_unique_violation()) => Err(SignupError::UnderWay),
            Err(e) => Err(e.into()),
        }
    }

    /// The attempt has its three words.
    pub(crate) async fn name(&mut self, id: AttemptId, namespace: &Namespace, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "update signup_attempts set namespace_id = $2, namespace_name = $3, updated_at = $4
              where attempt_id = $1 and state in ('paying', 'provisioning')",
        )
        .bind(id.uuid())
        .bind(namespace.id.uuid())
        .bind(namespace.name.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// The money is taken.
    pub(crate) async fn paid(&mut self, id: AttemptId, now: OffsetDateTime) -> Result<()> {
        sqlx::query("update signup_attempts set state = 'provisioning', updated_at = $2 where attempt_id = $1 and state = 'paying'")
            .bind(id.uuid())
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// The card was declined: back to the page, and the next card is another try.
    pub(crate) async fn decline(
        &mut self,
        id: AttemptId,
        payment_try: u32,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts
                set state = 'payment_pending', payment_try = payment_try + 1, payment_method = null, checkout_session = null,
                    secret_hash = null, paying_at = null, message = $3, updated_at = $4
              where attempt_id = $1 and state = 'paying' and payment_try = $2",
        )
        .bind(id.uuid())
        .bind(i64::from(payment_try))
        .bind(why)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// There is a namespace. The password's hash has gone where it belongs.
    pub(crate) async fn ready(&mut self, id: AttemptId, account: &str, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts set state = 'ready', account = $2, secret_hash = null, ready_at = $3, updated_at = $3
              where attempt_id = $1 and state in ('verified', 'paying', 'provisioning')",
        )
        .bind(id.uuid())
        .bind(account)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// It did not work out.
    pub(crate) async fn end(&mut self, id: AttemptId, as_: State, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "update signup_attempts set state = $2, secret_hash = null, updated_at = $3
              where attempt_id = $1 and state in ('paying', 'provisioning')",
        )
        .bind(id.uuid())
        .bind(as_.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Attempts with which nobody went on in time become expired: who they were.
    pub(crate) async fn expire(&mut self, now: OffsetDateTime) -> Result<Vec<AttemptId>> {
        let ids: Vec<(uuid::Uuid,)> = sqlx::query_as(
            "update signup_attempts set state = 'expired', secret_hash = null, updated_at = $1
              where attempt_id in (select attempt_id from signup_attempts
                                    where state in ('started', 'verified', 'payment_pending', 'card_stored')
                                      and expires_at <= $1 order by expires_at limit 500)
                and expires_at <= $1 and state in ('started', 'verified', 'payment_pending', 'card_stored')
              returning attempt_id",
        )
        .bind(now)
        .fetch_all(self.0.conn())
        .await?;
        Ok(ids.into_iter().map(|(id,)| AttemptId::new(id)).collect())
    }

    /// Forgets attempts that ended long ago, addresses and all.
    pub(crate) async fn forget(&mut self, ended_before: OffsetDateTime) -> Result<u64> {
        let done = sqlx::query(
            "delete from signup_attempts where attempt_id in (
                 select attempt_id from signup_attempts
                  where state in ('ready', 'expired', 'refunded', 'failed') and expires_at <= $1
                  order by expires_at limit 500)",
        )
        .bind(ended_before)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected())
    }
}
