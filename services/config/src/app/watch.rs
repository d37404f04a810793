//! A value as it changes: told at once of changes by this process, and looking by itself for those by others.

use std::time::Duration as Patience;

use futures::{Stream, stream};
use micro_domain::NamespaceId;
use micro_limits::Permit;
use micro_tenancy::{LimitReached, Tenant};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{App, Refusal, path::Path};

/// How late a change by another replica may be seen: the promise is five seconds.
const LOOK_EVERY: Patience = Patience::from_secs(4);

impl App {
    /// The JSON text at a path now, and again whenever it is another: `null` where there is nothing. A secret that
    /// is masked looks the same whatever it is.
    pub(crate) fn watch_value(
        &self,
        tenant: Tenant,
        path: &str,
        secrets: bool,
    ) -> Result<impl Stream<Item = Result<String, Refusal>> + Send + 'static, Refusal> {
        let (path, limit) = (Path::parse(path)?, self.parts.limits.watchers);
        let permit = self.watchers.enter(tenant.id(), limit);
        let watch = Watch {
            _permit: permit.map_err(|_| LimitReached::new(limit, limit.max))?,
            changes: self.changes.subscribe(),
            app: self.clone(),
            tenant,
            path,
            secrets,
            seen: None,
            told: None,
        };
        Ok(stream::try_unfold(watch, |mut watch| async move {
            let text = watch.next().await?;
            Ok(Some((text, watch)))
        }))
    }
}

struct Watch {
    _permit: Permit<NamespaceId>,
    /// Subscribed before the first look, so that no change falls between.
    changes: broadcast::Receiver<NamespaceId>,
    app: App,
    tenant: Tenant,
    path: Path,
    secrets: bool,
    /// The version of the tree that was looked at last; there may have been none.
    seen: Option<Option<u64>>,
    told: Option<String>,
}

impl Watch {
    async fn next(&mut self) -> Result<String, Refusal> {
        loop {
            let tree = self.app.find_tree(&self.tenant).await?;
            let version = tree.as_ref().map(|tree| tree.version);
            if self.seen.replace(version) != Some(version) {
                let text = match &tree {
                    Some(tree) => self.app.text_at(&self.tenant, tree, &self.path, self.secrets)?,
                    None => "null".into(),
                };
                if self.told.as_ref() != Some(&text) {
                    self.told = Some(text.clone());
                    return Ok(text);
                }
            }
            // Whether told or not, it looks again.
            let _ = tokio::time::timeout(LOOK_EVERY, self.changed()).await;
        }
    }

    /// Until this process has changed the tree, or has changed so many that it may have been this one.
    async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(namespace) if namespace != self.tenant.id() => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                // Not while the watch holds the service.
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}
