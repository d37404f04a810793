//! The SQL of names, namespaces and identities. All of it runs as the system: none of these tables but
//! `namespaces` has a tenant's side.

use micro_domain::{AttemptId, Email, Namespace, NamespaceId, NamespaceName};
use micro_storage::SystemTx;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{NamespacesError, State, page::After};

type Result<T> = std::result::Result<T, NamespacesError>;

/// A namespace as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) namespace: Namespace,
    pub(crate) state: State,
    pub(crate) created_at: OffsetDateTime,
}

type Columns = (Uuid, String, String, OffsetDateTime);

impl TryFrom<Columns> for Row {
    type Error = NamespacesError;

    fn try_from((id, name, state, created_at): Columns) -> Result<Self> {
        let name = NamespaceName::parse(name).map_err(|_| NamespacesError::Malformed("name"))?;
        let namespace = Namespace {
            id: NamespaceId::new(id),
            name,
        };
        Ok(Self {
            namespace,
            state: State::try_from(state.as_str())?,
            created_at,
        })
    }
}

/// The names ever given, and for which attempt.
pub(crate) struct Names<'t>(pub(crate) &'t mut SystemTx);

impl Names<'_> {
    /// Takes a name for an attempt, unless the name is taken or the attempt has one.
    pub(crate) async fn take(
        &mut self,
        namespace: &Namespace,
        attempt: AttemptId,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "insert into namespace_names (name, namespace_id, attempt_id, created_at) values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(namespace.name.as_str())
        .bind(namespace.id.uuid())
        .bind(attempt.uuid())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn find_by_attempt(&mut self, attempt: AttemptId) -> Result<Option<NamespaceId>> {
        let found: Option<(Uuid,)> = sqlx::query_as("select namespace_id from namespace_names where attempt_id = $1")
            .bind(attempt.uuid())
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.map(|(id,)| NamespaceId::new(id)))
    }

    pub(crate) async fn find_by_name(&mut self, name: &NamespaceName) -> Result<Option<NamespaceId>> {
        let found: Option<(Uuid,)> = sqlx::query_as("select namespace_id from namespace_names where name = $1")
            .bind(name.as_str())
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.map(|(id,)| NamespaceId::new(id)))
    }
}

/// The namespaces themselves.
pub(crate) struct Rows<'t>(pub(crate) &'t mut SystemTx);

impl Rows<'_> {
    pub(crate) async fn add(&mut self, namespace: &Namespace, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "insert into namespaces (namespace_id, name, state, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        )
        .bind(namespace.id.uuid())
        .bind(namespace.name.as_str())
        .bind(State::Reserved.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    pub(crate) async fn find(&mut self, id: NamespaceId) -> Result<Option<Row>> {
        let found: Option<Columns> =
            sqlx::query_as("select namespace_id, name, state, created_at from namespaces where namespace_id = $1")
                .bind(id.uuid())
                .fetch_optional(self.0.conn())
                .await?;
        found.map(Row::try_from).transpose()
    }

    /// Moves a namespace from one state to the next, if it still is in the first.
    pub(crate) async fn shift(&mut self, id: NamespaceId, from: State, to: State, now: OffsetDateTime) -> Result<bool> {
        let done =
            sqlx::query("update namespaces set state = $3, updated_at = $4 where namespace_id = $1 and state = $2")
                .bind(id.uuid())
                .bind(from.as_str())
                .bind(to.as_str())
                .bind(now)
                .execute(self.0.conn())
                .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn list(&mut self, after: After, limit: usize) -> Result<Vec<Row>> {
        let found: Vec<Columns> = sqlx::query_as(
            "select namespace_id, name, state, created_at from namespaces
              where (created_at, namespace_id) > ($1, $2) order by created_at, namespace_id limit $3",
        )
        .bind(after.created_at)
        .bind(after.id)
        .bind(limit as i64)
        .fetch_all(self.0.conn())
        .await?;
        found.into_iter().map(Row::try_from).collect()
    }
}

/// Where an address belongs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) email: Email,
    pub(crate) account: String,
    pub(crate) row: Row,
}

type IdentityColumns = (String, String, Uuid, String, String, OffsetDateTime);

impl TryFrom<IdentityColumns> for Identity {
    type Error = NamespacesError;

    fn try_from((email, account, id, name, state, created_at): IdentityColumns) -> Result<Self> {
        let email = Email::parse(&email).map_err(|_| NamespacesError::Malformed("email"))?;
        Ok(Self {
            email,
            account,
            row: Row::try_from((id, name, state, created_at))?,
        })
    }
}

/// Addresses and where they belong.
pub(crate) struct Identities<'t>(pub(crate) &'t mut SystemTx);

impl Identities<'_> {
    /// Records an address, unless it is recorded.
    pub(crate) async fn add(
        &mut self,
        email: &Email,
        namespace: NamespaceId,
        account: &str,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let done = sqlx::query(
            "insert into identities (email, namespace_id, account, created_at) values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(email.as_str())
        .bind(namespace.uuid())
        .bind(account)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn find(&mut self, email: &Email) -> Result<Option<Identity>> {
        let found: Option<IdentityColumns> = sqlx::query_as(
            "select i.email, i.account, n.namespace_id, n.name, n.state, n.created_at
               from identities i join namespaces n on n.namespace_id = i.namespace_id
              where i.email = $1",
        )
        .bind(email.as_str())
        .fetch_optional(self.0.conn())
        .await?;
        found.map(Identity::try_from).transpose()
    }

    pub(crate) async fn remove(&mut self, email: &Email, namespace: NamespaceId) -> Result<()> {
        sqlx::query("delete from identities where email = $1 and namespace_id = $2")
            .bind(email.as_str())
            .bind(namespace.uuid())
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// By address, behind `after`.
    pub(crate) async fn list(&mut self, after: &str, limit: usize) -> Result<Vec<Identity>> {
        let found: Vec<IdentityColumns> = sqlx::query_as(
            "select i.email, i.account, n.namespace_id, n.name, n.state, n.created_at
               from identities i join namespaces n on n.namespace_id = i.namespace_id
              where i.email > $1 order by i.email limit $2",
        )
        .bind(after)
        .bind(limit as i64)
        .fetch_all(self.0.conn())
        .await?;
        found.into_iter().map(Identity::try_from).collect()
    }

    /// Those of one namespace, by address, behind `after`.
    pub(crate) async fn list_of(&mut self, namespace: NamespaceId, after: &str, limit: usize) -> Result<Vec<Identity>> {
        let found: Vec<IdentityColumns> = sqlx::query_as(
            "select i.email, i.account, n.namespace_id, n.name, n.state, n.created_at
               from identities i join namespaces n on n.namespace_id = i.namespace_id
              where i.namespace_id = $1 and i.email > $2 order by i.email limit $3",
        )
        .bind(namespace.uuid())
        .bind(after)
        .bind(limit as i64)
        .fetch_all(self.0.conn())
        .await?;
        found.into_iter().map(Identity::try_from).collect()
    }
}
