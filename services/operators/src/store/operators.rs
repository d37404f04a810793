//! Operators and what they are logged in with.

use micro_domain::OperatorId;
use micro_storage::SystemTx;
use micro_tenancy::OperatorRole;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::OperatorsError;

/// Somebody who runs the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) id: OperatorId,
    pub(crate) name: String,
    pub(crate) role: OperatorRole,
}

type Columns = (Uuid, String, String);

impl TryFrom<Columns> for Operator {
    type Error = OperatorsError;

    fn try_from((id, name, role): Columns) -> Result<Self, OperatorsError> {
        Ok(Self {
            id: OperatorId::new(id),
            name,
            role: parse_role(&role)?,
        })
    }
}

/// The stored word of a role.
pub(crate) fn role_word(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Viewer => "viewer",
        OperatorRole::Support => "support",
        OperatorRole::Billing => "billing",
        OperatorRole::Admin => "admin",
    }
}

fn parse_role(word: &str) -> Result<OperatorRole, OperatorsError> {
    let all = [
        OperatorRole::Viewer,
        OperatorRole::Support,
        OperatorRole::Billing,
        OperatorRole::Admin,
    ];
    all.into_iter()
        .find(|role| role_word(*role) == word)
        .ok_or(OperatorsError::UnknownRole)
}

impl Operator {
    /// The word of the role it has.
    pub(crate) fn role_word(&self) -> &'static str {
        role_word(self.role)
    }
}

/// The operators.
pub(crate) struct Operators<'t>(pub(crate) &'t mut SystemTx);

impl Operators<'_> {
    /// Adds an operator, unless the name is taken.
    pub(crate) async fn add(
        &mut self,
        operator: &Operator,
        secret_hash: &str,
        now: OffsetDateTime,
    ) -> Result<bool, OperatorsError> {
        let done = sqlx::query(
            "insert into operators (operator_id, name, role, secret_hash, created_at) values ($1, $2, $3, $4, $5)
             on conflict (name) do nothing",
        )
        .bind(operator.id.uuid())
        .bind(&operator.name)
        .bind(operator.role_word())
        .bind(secret_hash)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn any(&mut self) -> Result<bool, OperatorsError> {
        let found: Option<(i64,)> = sqlx::query_as("select cast(1 as bigint) from operators limit 1")
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.is_some())
    }

    pub(crate) async fn find_by_secret(&mut self, secret_hash: &str) -> Result<Option<Operator>, OperatorsError> {
        let found: Option<Columns> = sqlx::query_as(
            "select operator_id, name, role from operators where secret_hash = $1 and disabled_at is null",
        )
        .bind(secret_hash)
        .fetch_optional(self.0.conn())
        .await?;
        found.map(Operator::try_from).transpose()
    }
}

/// Their tokens.
pub(crate) struct Tokens<'t>(pub(crate) &'t mut SystemTx);

impl Tokens<'_> {
    /// Adds a token, and forgets those that have run out.
    pub(crate) async fn add(
        &mut self,
        token_hash: &str,
        operator: OperatorId,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<(), OperatorsError> {
        sqlx::query("delete from operator_tokens where expires_at <= $1")
            .bind(now)
            .execute(self.0.conn())
            .await?;
        sqlx::query(
            "insert into operator_tokens (token_hash, operator_id, created_at, expires_at) values ($1, $2, $3, $4)",
        )
        .bind(token_hash)
        .bind(operator.uuid())
        .bind(now)
        .bind(expires_at)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// Whose token it is, while it is good and the operator is.
    pub(crate) async fn find(
        &mut self,
        token_hash: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Operator>, OperatorsError> {
        let found: Option<Columns> = sqlx::query_as(
            "select o.operator_id, o.name, o.role
               from operator_tokens t join operators o on o.operator_id = t.operator_id
              where t.token_hash = $1 and t.expires_at > $2 and o.disabled_at is null",
        )
        .bind(token_hash)
        .bind(now)
        .fetch_optional(self.0.conn())
        .await?;
        found.map(Operator::try_from).transpose()
    }
}
