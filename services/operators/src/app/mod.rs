//! What operators do, one operation a file.

mod list_customers;
mod list_jobs;
mod list_namespaces;
mod login;
mod retry_job;
mod rotate_secrets;

use std::sync::Arc;

use async_trait::async_trait;
use micro_clock::{Clock, Ids};
use micro_domain::{Namespace, NamespaceName, OperatorId};
use micro_error::{Error, Kind};
use micro_proto::{billing, namespaces, operators};
use micro_storage::{Db, retrying};
use micro_tenancy::{Authority, Caller, SystemTask, Tenant};

use crate::{
    OperatorsError,
    store::{Audit, Deed},
};

/// Where the secrets of namespaces are sealed.
#[async_trait]
pub trait SealedSecrets: Send + Sync + 'static {
    /// Seals anew what another key than the one in use has sealed; how many secrets that were.
    async fn rotate(&self, tenant: &Tenant) -> Result<u64, Error>;
}

/// The services that own what operators look at.
#[derive(Clone)]
pub struct Ports {
    /// Namespaces.
    pub namespaces: Arc<dyn namespaces::Namespaces>,
    /// Addresses and where they belong.
    pub identities: Arc<dyn namespaces::Identities>,
    /// Subscriptions; none where nothing is paid for.
    pub billing: Option<Arc<dyn billing::Billing>>,
    /// Configuration's secrets.
    pub secrets: Arc<dyn SealedSecrets>,
}

/// Answers operators. One value is every service of `proto/operators`; clones are the same.
#[derive(Clone)]
pub struct OperatorsService {
    db: Db,
    ports: Ports,
    authority: Authority,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl OperatorsService {
    /// Over the platform's database and services.
    pub fn new(db: Db, ports: Ports, authority: Authority, clock: Arc<dyn Clock>) -> Self {
        Self {
            db,
            ports,
            authority,
            clock,
            ids: Ids,
        }
    }

    /// Writes down what is about to be looked at.
    async fn record(&self, operator: OperatorId, action: &'static str, target: &str) -> Result<(), OperatorsError> {
        self.record_deed(Deed {
            operator: Some(operator),
            action,
            target,
            reason: "",
        })
        .await
    }

    async fn record_deed(&self, deed: Deed<'_>) -> Result<(), OperatorsError> {
        let (now, ids) = (self.clock.now(), self.ids);
        let db = self.db.system(SystemTask::Operators);
        retrying(async || {
            let mut tx = db.begin().await?;
            Audit(&mut tx).add(deed, ids, now).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// The platform itself, answering an operator.
    fn system(&self) -> Caller {
        self.authority.system(SystemTask::Operators)
    }

    /// An identity with its subscription, as operators see a customer.
    async fn customer(&self, identity: namespaces::Identity) -> Result<operators::Customer, Error> {
        let namespace = identity.namespace.unwrap_or_default();
        let subscription = self.subscription(&namespace).await?.unwrap_or_default();
        Ok(operators::Customer {
            email: identity.email,
            namespace: namespace.name,
            namespace_id: namespace.id,
            account: identity.account,
            subscription: subscription.subscription,
            subscription_status: subscription.status,
            created_at: namespace.created_at,
        })
    }

    async fn subscription(&self, namespace: &namespaces::Namespace) -> Result<Option<billing::ReadResponse>, Error> {
        let Some(billing) = &self.ports.billing else {
            return Ok(None);
        };
        let (Ok(id), Ok(name)) = (namespace.id.parse(), NamespaceName::parse(namespace.name.as_str())) else {
            return Err(OperatorsError::Malformed("a stored namespace").into());
        };
        let caller = self.authority.system_in(SystemTask::Operators, Namespace { id, name });
        let request = billing::ReadRequest {
            namespace_id: namespace.id.clone(),
        };
        match billing.read(&caller, request).await {
            Ok(read) => Ok(Some(read)),
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A namespace as operators see it.
fn row(n: namespaces::Namespace) -> operators::NamespaceRow {
    operators::NamespaceRow {
        id: n.id,
        name: n.name,
        state: n.state,
        created_at: n.created_at,
    }
}
