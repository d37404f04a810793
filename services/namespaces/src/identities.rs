//! E-mail address to namespace and account.

use std::sync::Arc;

use async_trait::async_trait;
use micro_clock::Clock;
use micro_domain::{Email, NamespaceId};
use micro_error::Error;
use micro_proto::namespaces::{self as wire, Identities};
use micro_storage::{Db, retrying};
use micro_tenancy::{Caller, SystemTask};

use crate::{
    NamespacesError, page,
    store::{self, Identity},
};

type Result<T> = std::result::Result<T, NamespacesError>;

/// Records and finds where addresses belong.
pub struct IdentitiesService {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl IdentitiesService {
    /// A service over these tables.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    async fn find_one(&self, email: &Email) -> Result<Option<Identity>> {
        let db = self.db.system(SystemTask::Directory);
        retrying(async || store::Identities(&mut db.begin().await?).find(email).await).await
    }

    /// Records the address; repeating it changes nothing, moving it is refused.
    async fn put_one(&self, email: &Email, namespace: NamespaceId, account: &str) -> Result<()> {
        let now = self.clock.now();
        let db = self.db.system(SystemTask::Directory);
        retrying(async || {
            let mut tx = db.begin().await?;
            let mut identities = store::Identities(&mut tx);
            if !identities.add(email, namespace, account, now).await? {
                let held = identities.find(email).await?;
                let same = held.is_some_and(|held| held.row.namespace.id == namespace && held.account == account);
                return if same { Ok(()) } else { Err(NamespacesError::Taken) };
            }
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn remove_one(&self, email: &Email, namespace: NamespaceId) -> Result<()> {
        let db = self.db.system(SystemTask::Directory);
        retrying(async || {
            let mut tx = db.begin().await?;
            store::Identities(&mut tx).remove(email, namespace).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn list_page(&self, request: &wire::ListIdentitiesRequest) -> Result<wire::ListIdentitiesResponse> {
        let size = page::size(request.limit);
        let namespace = match request.namespace_id.as_str() {
            "" => None,
            text => Some(namespace(text)?),
        };
        let db = self.db.system(SystemTask::Operators);
        let mut found = retrying(async || {
            let mut tx = db.begin().await?;
            let mut identities = store::Identities(&mut tx);
            match namespace {
                Some(id) => identities.list_of(id, &request.cursor, size + 1).await,
                None => identities.list(&request.cursor, size + 1).await,
            }
        })
        .await?;
        let more = found.len() > size;
        found.truncate(size);
        let next_cursor = found
            .last()
            .filter(|_| more)
            .map(|i| i.email.as_str().to_owned())
            .unwrap_or_default();
        Ok(wire::ListIdentitiesResponse {
            identities: found.into_iter().map(wire::Identity::from).collect(),
            next_cursor,
        })
    }
}

impl From<Identity> for wire::Identity {
    fn from(identity: Identity) -> Self {
        Self {
            email: identity.email.into(),
            namespace: Some(identity.row.into()),
            account: identity.account,
        }
    }
}

fn email(text: &str) -> Result<Email> {
    Email::parse(text).map_err(|_| NamespacesError::Malformed("email"))
}

fn namespace(text: &str) -> Result<NamespaceId> {
    text.parse().map_err(|_| NamespacesError::Malformed("namespace"))
}

#[async_trait]
impl Identities for IdentitiesService {
    async fn find(
        &self,
        caller: &Caller,
        request: wire::FindIdentityRequest,
    ) -> std::result::Result<wire::FindIdentityResponse, Error> {
        caller.require_system()?;
        let found = self.find_one(&email(&request.email)?).await?;
        Ok(wire::FindIdentityResponse {
            identities: found.into_iter().map(wire::Identity::from).collect(),
        })
    }

    async fn put(
        &self,
        caller: &Caller,
        request: wire::PutIdentityRequest,
    ) -> std::result::Result<wire::PutIdentityResponse, Error> {
        caller.require_system()?;
        let identity = request.identity.ok_or(NamespacesError::Malformed("identity"))?;
        let within = identity.namespace.ok_or(NamespacesError::Malformed("namespace"))?;
        if identity.account.is_empty() {
            return Err(NamespacesError::Malformed("account").into());
        }
        self.put_one(&email(&identity.email)?, namespace(&within.id)?, &identity.account)
            .await?;
        Ok(wire::PutIdentityResponse {})
    }

    async fn remove(
        &self,
        caller: &Caller,
        request: wire::RemoveIdentityRequest,
    ) -> std::result::Result<wire::RemoveIdentityResponse, Error> {
        caller.require_system()?;
        self.remove_one(&email(&request.email)?, namespace(&request.namespace_id)?)
            .await?;
        Ok(wire::RemoveIdentityResponse {})
    }

    async fn list(
        &self,
        caller: &Caller,
        request: wire::ListIdentitiesRequest,
    ) -> std::result::Result<wire::ListIdentitiesResponse, Error> {
        caller.require_system()?;
        Ok(self.list_page(&request).await?)
    }
}
