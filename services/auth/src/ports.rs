//! What auth asks of the rest of the platform, and what a local server answers.

use async_trait::async_trait;
use micro_domain::{AccountId, Email, Namespace, NamespaceName};
use micro_error::Error;

/// Finds where an e-mail address belongs.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// The namespaces, and the account in each, of the person with this address.
    async fn find(&self, email: &Email) -> Result<Vec<(Namespace, AccountId)>, Error>;
}

/// Finds namespaces.
#[async_trait]
pub trait Namespaces: Send + Sync + 'static {
    /// The namespace of that name, if there is one.
    async fn by_name(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error>;
}

/// A local server's directory: it knows nobody by address.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDirectory;

#[async_trait]
impl Directory for NoDirectory {
    async fn find(&self, _: &Email) -> Result<Vec<(Namespace, AccountId)>, Error> {
        Ok(Vec::new())
    }
}

/// A local server's namespaces: whichever is named.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalNamespaces;

#[async_trait]
impl Namespaces for LocalNamespaces {
    async fn by_name(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        Ok(Some(Namespace::of_local(name.clone())))
    }
}
