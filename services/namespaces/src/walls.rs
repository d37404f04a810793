//! What stands around a namespace before anybody can see it.

use async_trait::async_trait;
use micro_domain::Namespace;
use micro_error::Error;

/// One wall: directories, a cluster namespace, a network policy, a quota. Walls are raised in the order they
/// were given and lowered in the opposite one; both are safe to repeat.
#[async_trait]
pub trait Wall: Send + Sync + 'static {
    /// For the log.
    fn name(&self) -> &'static str;

    /// Makes it stand.
    async fn raise(&self, namespace: &Namespace) -> Result<(), Error>;

    /// Takes it down with all it holds, if it stands.
    async fn lower(&self, namespace: &Namespace) -> Result<(), Error>;
}
