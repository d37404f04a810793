//! Sessions: one login each, with the hash of the refresh token that is good now.

use micro_domain::{AccountId, SessionId};
use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Store, json};

/// A stored session.
#[derive(Serialize, Deserialize)]
pub struct Session {
    /// The hash of the token that is good now.
    pub current: String,
    /// Hashes of tokens used up a moment ago, the latest last, with the Unix second of it.
    #[serde(default)]
    pub spent: Vec<(String, i64)>,
    /// Of which incarnation of the account it is.
    #[serde(default)]
    pub incarnation: Uuid,
}

/// How long a spent token still leads to its successor.
pub const GRACE: Duration = Duration::MINUTE;
/// As many spent tokens as are remembered.
const SPENT: usize = 16;

impl Session {
    /// Whether this token was used up, but a moment ago only.
    pub fn just_spent(&self, digest: &str, now: OffsetDateTime) -> bool {
        let since = (now - GRACE).unix_timestamp();
        self.spent.iter().any(|(spent, at)| spent == digest && *at >= since)
    }

    /// Makes `next` the token that is good.
    pub fn advance(&mut self, next: String, now: OffsetDateTime) {
        let since = (now - GRACE).unix_timestamp();
        self.spent.retain(|(_, at)| *at >= since);
        self.spent
            .push((std::mem::replace(&mut self.current, next), now.unix_timestamp()));
        let surplus = self.spent.len().saturating_sub(SPENT);
        self.spent.drain(..surplus);
    }
}

const TABLE: &str = "sessions";

/// An account's sessions lie together. No account's id holds the control character between.
fn prefix(account: &AccountId) -> String {
    format!("{account}\u{1}")
}

fn key(account: &AccountId, session: SessionId) -> Key {
    Key::core(TABLE, format!("{}{session}", prefix(account)))
}

impl Store<'_> {
    /// The session and its version.
    pub async fn find_session(&self, account: &AccountId, id: SessionId) -> Result<Option<(Session, u64)>, StoreError> {
        let found = self.read(key(account, id)).await?;
        Ok(found.map(|(session, record)| (session, record.version)))
    }

    /// Stores a session if it is as expected; whether it was.
    pub async fn put_session(
        &self,
        account: &AccountId,
        id: SessionId,
        session: &Session,
        idle: Duration,
        expect: Expect,
    ) -> Result<bool, StoreError> {
        let write = Write::put(key(account, id), json(session))
            .until(self.now + idle)
            .expecting(expect);
        Ok(matches!(self.write(vec![write]).await?, Written::Done(_)))
    }

    /// Every session of an account.
    pub async fn list_sessions(&self, account: &AccountId) -> Result<Vec<SessionId>, StoreError> {
        let prefix = prefix(account);
        let found = self.all(TABLE, &prefix, usize::MAX).await?;
        Ok(found
            .iter()
            .filter_map(|record| record.key.strip_prefix(&prefix)?.parse().ok())
            .collect())
    }

    /// Removes sessions.
    pub async fn remove_sessions(&self, account: &AccountId, ids: &[SessionId]) -> Result<(), StoreError> {
        for some in ids.chunks(100) {
            self.write(some.iter().map(|id| Write::delete(key(account, *id))).collect())
                .await?;
        }
        Ok(())
    }
}
