//! What config does: read, change, and seal anew.

mod change;
mod rotate;
mod usage;
mod watch;

use micro_storage::StoreError;
use micro_storage::records::{Key, Record};
use micro_tenancy::Tenant;

use crate::{
    App, Refusal,
    keys::Sealed,
    path::Path,
    tree::{self, Incoming, Map, Node},
};

/// Where a namespace's tree lies.
fn key() -> Key {
    Key::core("config", "tree")
}

fn parse(record: &Record) -> Result<Map, StoreError> {
    serde_json::from_slice(&record.value).map_err(|_| StoreError::Damaged("a namespace's configuration".into()))
}

impl App {
    /// The JSON text at a path: `null` where a namespace with a configuration has nothing there. Secrets are masked
    /// unless they are asked for.
    pub(crate) async fn get_value(&self, tenant: &Tenant, path: &str, secrets: bool) -> Result<String, Refusal> {
        let path = Path::parse(path)?;
        let record = self.find_tree(tenant).await?.ok_or(Refusal::NotFound)?;
        self.text_at(tenant, &record, &path, secrets)
    }

    /// The JSON text at a path of a tree.
    fn text_at(&self, tenant: &Tenant, tree: &Record, path: &Path, secrets: bool) -> Result<String, Refusal> {
        let open = |at: &[String], sealed: &Sealed| self.parts.keys.open(tenant.id(), at, sealed);
        let open = secrets.then_some(&open as &dyn Fn(&[String], &Sealed) -> _);
        let found = tree::get(&parse(tree)?, path, open)?;
        Ok(found.unwrap_or_else(|| "null".into()))
    }

    /// Sets the JSON text at a path; as a secret, each leaf of it is sealed.
    pub(crate) async fn set_value(&self, tenant: &Tenant, path: &str, json: &str, secret: bool) -> Result<(), Refusal> {
        let path = Path::parse(path)?;
        let value = Incoming::parse(json, path.names().len())?;
        let leaf = |at: &[String], text: String| match secret {
            true => Ok(Node::Secret(self.parts.keys.seal(tenant.id(), at, &text)?)),
            false => Ok(Node::Value(text)),
        };
        self.change(tenant, |tree| {
            let mut tree = tree.unwrap_or_default();
            tree::set(&mut tree, &path, value.clone(), &leaf)?;
            Ok((Some(tree), ()))
        })
        .await
    }

    /// Removes what is at a path, if anything is; without a path, the whole configuration.
    pub(crate) async fn delete_value(&self, tenant: &Tenant, path: &str) -> Result<(), Refusal> {
        let path = Path::parse(path)?;
        self.change(tenant, |tree| {
            let mut tree = tree.ok_or(Refusal::NotFound)?;
            tree::delete(&mut tree, &path)?;
            Ok(((!path.names().is_empty()).then_some(tree), ()))
        })
        .await
    }

    async fn find_tree(&self, tenant: &Tenant) -> Result<Option<Record>, StoreError> {
        let found = self.parts.records.get(tenant, &[key()], self.parts.clock.now()).await?;
        Ok(found.into_iter().flatten().next())
    }
}
