//! Mailed codes, hashed.

use micro_domain::AttemptId;
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::{
    SignupError,
    secrets::{Digested, NewCode, TypedCode},
};

type Columns = (Vec<u8>, Vec<u8>, OffsetDateTime, Option<OffsetDateTime>);
type Result<T> = std::result::Result<T, SignupError>;

/// A code that was found.
pub(crate) struct CodeRow {
    pub(crate) long_hash: Digested,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) used_at: Option<OffsetDateTime>,
}

pub(crate) struct Codes<'t>(pub(crate) &'t mut SystemTx);

impl Codes<'_> {
    pub(crate) async fn add(&mut self, code: &NewCode, attempt: AttemptId, expires_at: OffsetDateTime) -> Result<()> {
        sqlx::query("insert into signup_codes (long_hash, short_hash, attempt_id, expires_at) values ($1, $2, $3, $4)")
            .bind(&code.long_hash.0)
            .bind(&code.short_hash.0)
            .bind(attempt.uuid())
            .bind(expires_at)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// A code of this attempt, used or not, expired or not. Compared in constant time.
    pub(crate) async fn find(&mut self, typed: &TypedCode, attempt: AttemptId) -> Result<Option<CodeRow>> {
        let rows: Vec<Columns> = sqlx::query_as(
            "select long_hash, short_hash, expires_at, used_at from signup_codes
              where attempt_id = $1 order by expires_at desc limit 20",
        )
        .bind(attempt.uuid())
        .fetch_all(self.0.conn())
        .await?;
        let found = rows.into_iter().find(|(long, short, ..)| match typed {
            TypedCode::Long(hash) => hash.is(&Digested(long.clone())),
            TypedCode::Short(hash) => hash.is(&Digested(short.clone())),
        });
        Ok(found.map(|(long, _, expires_at, used_at)| CodeRow {
            long_hash: Digested(long),
            expires_at,
            used_at,
        }))
    }

    /// Uses a code up, once.
    pub(crate) async fn use_up(&mut self, code: &CodeRow, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query("update signup_codes set used_at = $2 where long_hash = $1 and used_at is null")
            .bind(&code.long_hash.0)
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets codes that expired long ago: by then they are nobody's handle.
    pub(crate) async fn forget(&mut self, expired_before: OffsetDateTime) -> Result<u64> {
        let done = sqlx::query(
            "delete from signup_codes where long_hash in (
                 select long_hash from signup_codes where expires_at <= $1 order by expires_at limit 500)",
        )
        .bind(expired_before)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected())
    }
}
