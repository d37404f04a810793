//! Small adapters between services that do not know each other.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use micro_domain::{AccountId, Email, Namespace, NamespaceName};
use micro_error::{Error, Kind};
use micro_gateway::FindNamespace;
use micro_namespaces::{NamespacesService, Wall};
use micro_operators::SealedSecrets;
use micro_proto::namespaces::{FindIdentityRequest, Identities};
use micro_runtime::Runtime;
use micro_tenancy::{Authority, SystemTask, Tenant};

/// Auth's directory: where an address belongs, as the platform's identities say.
pub struct Directory {
    /// Who knows.
    pub identities: Arc<dyn Identities>,
    /// To ask as the platform.
    pub authority: Authority,
}

#[async_trait]
impl micro_auth::Directory for Directory {
    async fn find(&self, email: &Email) -> Result<Vec<(Namespace, AccountId)>, Error> {
        let caller = self.authority.system(SystemTask::Directory);
        let request = FindIdentityRequest {
            email: email.as_str().to_owned(),
        };
        let found = self.identities.find(&caller, request).await?;
        found
            .identities
            .into_iter()
            .map(|identity| {
                let namespace = identity.namespace.unwrap_or_default();
                let (Ok(id), Ok(name)) = (namespace.id.parse(), NamespaceName::parse(namespace.name)) else {
                    return Err(Error::new(Kind::Internal, "directory", "a stored identity is damaged"));
                };
                Ok((Namespace { id, name }, AccountId::new(identity.account)))
            })
            .collect()
    }
}

/// Names of namespaces, for auth and for the doors.
pub struct Names(pub Arc<NamespacesService>);

impl Names {
    async fn look_up(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        // The platform's own services are under this name; it is nobody's namespace in the table.
        if *name == NamespaceName::micro() {
            return Ok(Some(Namespace::of_local(name.clone())));
        }
        Ok(self.0.find_by_name(name).await?)
    }
}

#[async_trait]
impl micro_auth::Namespaces for Names {
    async fn by_name(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        self.look_up(name).await
    }
}

#[async_trait]
impl FindNamespace for Names {
    async fn find(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        self.look_up(name).await
    }
}

/// The runtime's wall around each new namespace: uids and a folder of its own. The runtime is put in its place
/// once it exists; until then a namespace has to wait.
#[derive(Default)]
pub struct RuntimeWall(OnceLock<Arc<Runtime>>);

impl RuntimeWall {
    /// Puts the runtime in its place. The first one stays.
    pub fn attach(&self, runtime: Arc<Runtime>) {
        let _first_stays = self.0.set(runtime);
    }

    fn runtime(&self) -> Result<&Runtime, Error> {
        let starting = || {
            Error::new(
                Kind::Unavailable,
                "runtime",
                "The runtime is still starting. Please try again.",
            )
        };
        self.0.get().map(Arc::as_ref).ok_or_else(starting)
    }
}

#[async_trait]
impl Wall for RuntimeWall {
    fn name(&self) -> &'static str {
        "runtime"
    }

    async fn raise(&self, namespace: &Namespace) -> Result<(), Error> {
        self.runtime()?.admit(namespace).await
    }

    async fn lower(&self, namespace: &Namespace) -> Result<(), Error> {
        self.runtime()?.evict(namespace).await
    }
}

/// Configuration's secrets, for the operators who change its keys. Config is put in its place once it exists.
#[derive(Default)]
pub struct Secrets(OnceLock<micro_config::App>);

impl Secrets {
    /// Puts config in its place. The first one stays.
    pub fn attach(&self, config: micro_config::App) {
        let _first_stays = self.0.set(config);
    }
}

#[async_trait]
impl SealedSecrets for Secrets {
    async fn rotate(&self, tenant: &Tenant) -> Result<u64, Error> {
        let starting = || {
            Error::new(
                Kind::Unavailable,
                "config",
                "The server is still starting. Please try again.",
            )
        };
        let config = self.0.get().ok_or_else(starting)?;
        config.rotate(tenant).await.map_err(|e| e.at("config.rotate"))
    }
}

/// A local server's namespaces: whichever is named.
pub struct AnyNamespace;

#[async_trait]
impl FindNamespace for AnyNamespace {
    async fn find(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        Ok(Some(Namespace::of_local(name.clone())))
    }
}
