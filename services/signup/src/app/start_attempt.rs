//! An attempt is opened and its letter queued: the same work, whoever the address belongs to.

use micro_clock::Ids;
use micro_domain::{AttemptId, Email};
use micro_limits::LimitKey;
use micro_storage::{jobs, retrying};
use micro_tenancy::Caller;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::{Result, Signup, network};
use crate::{
    attempt::{LOGIN_CODE, SIGNUP_CODE},
    jobs::SendCode,
    secrets::{new_session, session_hash},
    store::{Attempts, NewAttempt},
};

/// An attempt on its way.
pub(crate) struct Started {
    /// The terminal's handle, if it wanted one.
    pub(crate) secret: SecretString,
    /// The code is good until then, at the least.
    pub(crate) expires_at: OffsetDateTime,
}

impl Signup {
    /// Opens an attempt for a terminal that keeps a secret.
    pub(crate) async fn start_session(&self, email: &Email, caller: &Caller) -> Result<Started> {
        let secret = new_session();
        self.start(email, Some(&secret), caller).await?;
        Ok(Started {
            secret,
            expires_at: self.now() + LOGIN_CODE,
        })
    }

    /// Opens an attempt for a client that will send the code again and again.
    pub(crate) async fn start_without_session(&self, email: &Email, caller: &Caller) -> Result<()> {
        self.start(email, None, caller).await
    }

    async fn start(&self, email: &Email, secret: Option<&SecretString>, caller: &Caller) -> Result<()> {
        let limits = self.config().limits;
        self.limit(
            LimitKey::tries("signup.network", network(caller)),
            limits.starts_per_network,
        )
        .await?;
        self.limit(
            LimitKey::tries("signup.address", email.as_str()),
            limits.letters_per_address,
        )
        .await?;
        let now = self.now();
        let session_hash = secret.map(|secret| session_hash(secret.expose_secret()));
        let new = NewAttempt {
            id: AttemptId::new(Ids.random()),
            email,
            session_hash: session_hash.as_ref(),
            payment_required: self.is_payment_required(),
            expires_at: now + SIGNUP_CODE,
        };
        let db = self.db();
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx).add(&new, now).await?;
            jobs::queue(&mut tx, SendCode { attempt: new.id }, now).await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
