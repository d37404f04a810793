//! Logging in, and being recognised afterwards.

use micro_domain::OperatorId;
use micro_storage::{Db, retrying};
use micro_tenancy::{Caller, OperatorRole, SystemTask};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use super::OperatorsService;
use crate::{
    OperatorsError, secret,
    store::{Audit, Deed, Operator, Operators, Tokens},
};

/// How long a login lasts.
const LIFE: Duration = Duration::hours(1);
/// The operator of the first day.
const FIRST: &str = "admin";

/// What a login gives.
pub(crate) struct Login {
    pub(crate) token: SecretString,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) operator: Operator,
}

impl OperatorsService {
    /// Where there is no operator yet, makes one who may do everything; its secret, to be shown once. Two servers
    /// that start at the same time make one operator: only one of them has a secret to show.
    pub async fn first_boot(&self) -> Result<Option<SecretString>, OperatorsError> {
        let now = self.clock.now();
        let first = Operator {
            id: OperatorId::new(self.ids.random()),
            name: FIRST.into(),
            role: OperatorRole::Admin,
        };
        let fresh = secret::fresh(self.ids, "mos");
        let hash = secret::hash(&fresh);
        let db = self.db.system(SystemTask::Operators);
        let made = retrying(async || {
            let mut tx = db.begin().await?;
            let made = !Operators(&mut tx).any().await? && Operators(&mut tx).add(&first, &hash, now).await?;
            tx.commit().await?;
            Ok::<_, OperatorsError>(made)
        })
        .await?;
        Ok(made.then_some(fresh))
    }

    /// Whose token this is. The operators' door asks for each request.
    pub async fn authenticate(&self, token: &SecretString) -> Result<Option<Caller>, OperatorsError> {
        let (hash, now) = (secret::hash(token), self.clock.now());
        let db = self.db.system(SystemTask::Operators);
        let found = retrying(async || Tokens(&mut db.begin().await?).find(&hash, now).await).await?;
        Ok(found.map(|operator| self.authority.operator(operator.id, operator.role)))
    }

    /// Trades an operator's secret for a token. A refusal is written down too.
    pub(crate) async fn log_in(&self, given: &SecretString) -> Result<Login, OperatorsError> {
        let now = self.clock.now();
        let hash = secret::hash(given);
        let token = secret::fresh(self.ids, "mot");
        let expires_at = now + LIFE;
        let found = retrying(async || {
            self.admit(&self.db, &hash, &secret::hash(&token), now, expires_at)
                .await
        })
        .await?;
        let operator = found.ok_or(OperatorsError::BadSecret)?;
        Ok(Login {
            token,
            expires_at,
            operator,
        })
    }

    async fn admit(
        &self,
        db: &Db,
        secret_hash: &str,
        token_hash: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Option<Operator>, OperatorsError> {
        let mut tx = db.system(SystemTask::Operators).begin().await?;
        let found = Operators(&mut tx).find_by_secret(secret_hash).await?;
        let deed = match &found {
            Some(operator) => {
                Tokens(&mut tx).add(token_hash, operator.id, now, expires_at).await?;
                Deed {
                    operator: Some(operator.id),
                    action: "login",
                    target: "",
                    reason: "",
                }
            }
            None => Deed {
                operator: None,
                action: "login.refused",
                target: "",
                reason: "",
            },
        };
        Audit(&mut tx).add(deed, self.ids, now).await?;
        tx.commit().await?;
        Ok(found)
    }
}
