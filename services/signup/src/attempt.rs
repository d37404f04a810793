//! One person's try, as it is stored.

use micro_domain::{AttemptId, Email, Namespace, NamespaceId, NamespaceName};
use micro_storage::StoreError;
use sqlx::{Row, postgres::PgRow};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::State;

/// How long a code for a new address lives.
pub(crate) const SIGNUP_CODE: Duration = Duration::minutes(60);
/// How long a code for a known address lives, and how long it is good for a new password after that.
pub(crate) const LOGIN_CODE: Duration = Duration::minutes(10);
/// How long the subscribe page lives.
pub(crate) const LINK: Duration = Duration::hours(24);
/// How long it may take from the money to the namespace; and how long a lost answer can be asked for again.
pub(crate) const PATIENCE: Duration = Duration::minutes(15);
/// Wrong codes after which a new one is needed.
pub(crate) const MOST_TRIES: i64 = 5;

/// The row.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) email: Email,
    pub(crate) state: State,
    pub(crate) known: bool,
    pub(crate) payment_required: bool,
    pub(crate) checkout_session: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) payment_try: u32,
    pub(crate) secret_hash: Option<String>,
    pub(crate) namespace: Option<Namespace>,
    pub(crate) account: Option<String>,
    pub(crate) message: String,
    pub(crate) paying_at: Option<OffsetDateTime>,
    pub(crate) ready_at: Option<OffsetDateTime>,
    pub(crate) expires_at: OffsetDateTime,
}

impl Attempt {
    /// Whether the person may no longer go on, whatever the sweep has got round to.
    pub(crate) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.state == State::Expired || (!self.state.is_final() && !self.state.is_under_way() && now >= self.expires_at)
    }

    /// Whether the promise of a namespace within fifteen minutes of paying was broken.
    pub(crate) fn is_too_late(&self, now: OffsetDateTime) -> bool {
        self.paying_at.is_some_and(|since| now - since >= PATIENCE)
    }

    /// What the account will be called: one account an attempt, however often it is made.
    pub(crate) fn account_id(&self) -> String {
        self.account.clone().unwrap_or_else(|| self.id.to_string())
    }
}

impl<'r> sqlx::FromRow<'r, PgRow> for Attempt {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        let damaged =
            |what: &str| sqlx::Error::Decode(Box::new(StoreError::Damaged(format!("signup_attempts.{what}"))));
        let namespace = match (
            row.try_get::<Option<Uuid>, _>("namespace_id")?,
            row.try_get::<Option<String>, _>("namespace_name")?,
        ) {
            (Some(id), Some(name)) => {
                let name = NamespaceName::parse(name).map_err(|_| damaged("namespace_name"))?;
                Some(Namespace {
                    id: NamespaceId::new(id),
                    name,
                })
            }
            _ => None,
        };
        Ok(Self {
            id: AttemptId::new(row.try_get("attempt_id")?),
            email: Email::parse(row.try_get("email")?).map_err(|_| damaged("email"))?,
            state: State::parse(row.try_get("state")?).ok_or_else(|| damaged("state"))?,
            known: row.try_get("known")?,
            payment_required: row.try_get("payment_required")?,
            checkout_session: row.try_get("checkout_session")?,
            payment_method: row.try_get("payment_method")?,
            payment_try: u32::try_from(row.try_get::<i64, _>("payment_try")?).map_err(|_| damaged("payment_try"))?,
            secret_hash: row.try_get("secret_hash")?,
            namespace,
            account: row.try_get("account")?,
            message: row.try_get("message")?,
            paying_at: row.try_get("paying_at")?,
            ready_at: row.try_get("ready_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}
