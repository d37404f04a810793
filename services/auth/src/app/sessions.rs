//! Sessions: started by a login, carried on by refresh tokens, ended by logout or a token that was copied.

use micro_clock::Ids;
use micro_domain::{AccountId, SessionId};
use micro_storage::records::Expect;
use micro_tenancy::{
    Caller, Revocation, Tenant,
    tokens::{Issued, Purpose},
};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use crate::{
    App, AuthError, refresh,
    store::{accounts::Account, sessions::Session},
};

/// What a login gives.
#[derive(Debug)]
pub struct Granted {
    /// Opens the doors.
    pub access: Issued,
    /// Gets the next one.
    pub refresh: SecretString,
}

/// How often a change is tried again that somebody else keeps coming before.
const TRIES: usize = 5;

impl App {
    /// Starts a session for an account that has proven to be itself.
    pub(crate) async fn start_session(
        &self,
        tenant: &Tenant,
        account: &Account,
        ttl: Duration,
        now: OffsetDateTime,
    ) -> Result<Granted, AuthError> {
        let id = SessionId::new(Ids.random());
        let refresh = self.refresh.first(tenant.namespace(), &account.id, id);
        let session = Session {
            current: refresh::digest(&refresh),
            spent: Vec::new(),
            incarnation: account.incarnation,
        };
        let store = self.store(tenant, now);
        if !store
            .put_session(&account.id, id, &session, self.config.session_idle, Expect::Absent)
            .await?
        {
            return Err(AuthError::Changed);
        }
        Ok(Granted {
            access: self.access(tenant, account, id, ttl, now),
            refresh,
        })
    }

    /// Trades a refresh token for the next one and fresh access. A token used up more than a minute ago was
    /// copied: that ends the session for both holders.
    pub(crate) async fn refresh_session(
        &self,
        token: &str,
        ttl: Duration,
        now: OffsetDateTime,
    ) -> Result<Granted, AuthError> {
        let presented = self.refresh.read(token).ok_or(AuthError::InvalidToken)?;
        let tenant = self.enter(presented.namespace.clone());
        let store = self.store(&tenant, now);
        let (digest, next) = (presented.digest(), self.refresh.successor(&presented));
        for _ in 0..TRIES {
            let found = store.find_session(&presented.account, presented.session).await?;
            let Some((mut session, version)) = found else {
                return Err(AuthError::InvalidToken);
            };
            // A login that ran beside the account's deletion may have left a session behind: it is not that of an
            // account which has got the same id since.
            let found = store.find_account(&presented.account).await?;
            let Some((account, _)) = found.filter(|(account, _)| account.incarnation == session.incarnation) else {
                self.end_sessions(&tenant, &presented.account, &[presented.session], now)
                    .await?;
                return Err(AuthError::InvalidToken);
            };
            if session.current == digest {
                session.advance(refresh::digest(&next), now);
                let (expect, idle) = (Expect::Version(version), self.config.session_idle);
                if !store
                    .put_session(&account.id, presented.session, &session, idle, expect)
                    .await?
                {
                    continue;
                }
            } else if !session.just_spent(&digest, now) {
                tracing::warn!(
                    namespace.id = %tenant.id(),
                    session.id = %presented.session,
                    "a refresh token was used twice: its session ends"
                );
                self.end_sessions(&tenant, &account.id, &[presented.session], now)
                    .await?;
                return Err(AuthError::InvalidToken);
            }
            return Ok(Granted {
                access: self.access(&tenant, &account, presented.session, ttl, now),
                refresh: next,
            });
        }
        Err(AuthError::Changed)
    }

    /// Ends the session that the caller's token belongs to, or the refresh token's. Nothing to end is fine.
    pub(crate) async fn log_out(&self, caller: &Caller, refresh: &str, now: OffsetDateTime) -> Result<(), AuthError> {
        if let Some(principal) = caller.principal()
            && let Some(session) = principal.session
        {
            let tenant = self.enter(principal.namespace.clone());
            self.end_sessions(&tenant, &principal.account, &[session], now).await?;
        }
        let Some(presented) = self.refresh.read(refresh) else {
            return Ok(());
        };
        let tenant = self.enter(presented.namespace.clone());
        let found = self
            .store(&tenant, now)
            .find_session(&presented.account, presented.session)
            .await?;
        match found {
            Some(_) => {
                self.end_sessions(&tenant, &presented.account, &[presented.session], now)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Ends every session of an account but one.
    pub(crate) async fn end_other_sessions(
        &self,
        tenant: &Tenant,
        account: &AccountId,
        keep: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        let mut sessions = self.store(tenant, now).list_sessions(account).await?;
        sessions.retain(|id| Some(*id) != keep);
        self.end_sessions(tenant, account, &sessions, now).await
    }

    async fn end_sessions(
        &self,
        tenant: &Tenant,
        account: &AccountId,
        ids: &[SessionId],
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        // Revoked first: should the second write fail, the tokens are void and the rest can be repeated.
        self.revoke(ids.iter().copied().map(Revocation::Session).collect(), now)
            .await?;
        Ok(self.store(tenant, now).remove_sessions(account, ids).await?)
    }

    fn access(&self, tenant: &Tenant, account: &Account, id: SessionId, ttl: Duration, now: OffsetDateTime) -> Issued {
        let mut principal = self.principal(tenant, account);
        principal.session = Some(id);
        self.parts.tokens.issue(Purpose::Access, &principal, ttl, now)
    }
}
