//! A mailed code is traded for the next step, once.

use micro_domain::Email;
use micro_storage::retrying;
use micro_tenancy::Caller;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Belongs, Result, Signup};
use crate::{
    SignupError, State,
    attempt::{Attempt, LINK, LOGIN_CODE},
    secrets::TypedCode,
    store::{Attempts, Codes},
};

/// The address is proven.
pub(crate) enum Confirmed {
    /// It has a namespace.
    Known(Attempt, Belongs),
    /// It has none.
    New(Attempt),
}

impl Signup {
    /// For a terminal that holds the attempt's secret: the code must be this attempt's.
    pub(crate) async fn confirm(&self, secret: &str, typed: &SecretString, caller: &Caller) -> Result<Confirmed> {
        let attempt = self.get_by_session(secret, caller).await?;
        self.count_try(&attempt).await?;
        let typed = self.config().keys.read_code(typed).ok_or(SignupError::BadCode)?;
        self.accept(attempt, &typed).await
    }

    /// For an older client: the code may be of any attempt of the address. Tries count against the newest.
    pub(crate) async fn verify(&self, email: &Email, typed: &SecretString) -> Result<Confirmed> {
        let db = self.db();
        let newest = retrying(async || Attempts(&mut db.begin().await?).find_latest_of(email).await).await?;
        self.count_try(&newest.ok_or(SignupError::BadCode)?).await?;
        let typed = self.config().keys.read_code(typed).ok_or(SignupError::BadCode)?;
        let found = retrying(async || Attempts(&mut db.begin().await?).find_by_code_of(email, &typed).await).await?;
        self.accept(found.ok_or(SignupError::BadCode)?, &typed).await
    }

    /// Counted before it is looked at, and whether or not it was right.
    async fn count_try(&self, attempt: &Attempt) -> Result<()> {
        let db = self.db();
        let allowed = retrying(async || {
            let mut tx = db.begin().await?;
            let allowed = Attempts(&mut tx).count_try(attempt.id).await?;
            tx.commit().await?;
            Ok::<_, SignupError>(allowed)
        })
        .await?;
        if allowed {
            Ok(())
        } else {
            Err(SignupError::TooManyTries)
        }
    }

    async fn accept(&self, attempt: Attempt, typed: &TypedCode) -> Result<Confirmed> {
        let now = self.now();
        if attempt.is_over(now) {
            return Err(SignupError::OldCode);
        }
        if attempt.state == State::Started {
            self.use_code_up(&attempt, typed, now).await?;
            self.announce(attempt.id);
        } else {
            self.accept_again(&attempt, typed).await?;
        }
        let attempt = self.find_attempt(attempt.id).await?.ok_or(SignupError::BadHandle)?;
        match self.find_identity(&attempt.email).await? {
            Some(belongs) if attempt.state.is_waiting() => self.know(attempt, belongs).await,
            _ => Ok(Confirmed::New(attempt)),
        }
    }

    async fn use_code_up(&self, attempt: &Attempt, typed: &TypedCode, now: OffsetDateTime) -> Result<()> {
        let next = if attempt.payment_required {
            State::PaymentPending
        } else {
            State::Verified
        };
        let db = self.db();
        retrying(async || {
            let mut tx = db.begin().await?;
            let code = Codes(&mut tx)
                .find(typed, attempt.id)
                .await?
                .ok_or(SignupError::BadCode)?;
            if now >= code.expires_at {
                return Err(SignupError::OldCode);
            }
            if !Codes(&mut tx).use_up(&code, now).await? {
                return Err(SignupError::BadCode);
            }
            if !Attempts(&mut tx).verify(attempt.id, next, now + LINK, now).await? {
                return Err(SignupError::BadCode);
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    /// A code that was used names its attempt, and a lost answer may be asked for again; but it logs nobody in
    /// twice.
    async fn accept_again(&self, attempt: &Attempt, typed: &TypedCode) -> Result<()> {
        let db = self.db();
        let found = retrying(async || Codes(&mut db.begin().await?).find(typed, attempt.id).await).await?;
        let used = found.is_some_and(|code| code.used_at.is_some());
        if used && !attempt.known && attempt.state.is_waiting() {
            Ok(())
        } else {
            Err(SignupError::BadCode)
        }
    }

    /// The address has a namespace: the code was a login, and for ten minutes it may set a new password.
    pub(super) async fn know(&self, attempt: Attempt, belongs: Belongs) -> Result<Confirmed> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Attempts(&mut tx)
                .know(attempt.id, &belongs.namespace, &belongs.account, now + LOGIN_CODE, now)
                .await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        self.announce(attempt.id);
        let attempt = Attempt {
            known: true,
            state: State::Verified,
            expires_at: now + LOGIN_CODE,
            ..attempt
        };
        Ok(Confirmed::Known(attempt, belongs))
    }
}
