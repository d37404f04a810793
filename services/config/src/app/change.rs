//! A change of a namespace's tree: read it, change it, and write it if nobody else did meanwhile.

use micro_storage::{
    StoreError,
    records::{Expect, Write, Written},
};
use micro_tenancy::Tenant;

use super::{key, parse};
use crate::{App, Refusal, tree::Map};

/// How often a change is made again because another came first.
const TRIES: usize = 200;

impl App {
    /// Makes a change, given the tree as it is, if there is one; none removes it.
    pub(super) async fn change<T>(
        &self,
        tenant: &Tenant,
        change: impl Fn(Option<Map>) -> Result<(Option<Map>, T), Refusal> + Send + Sync,
    ) -> Result<T, Refusal> {
        for _ in 0..TRIES {
            let record = self.find_tree(tenant).await?;
            let (tree, outcome) = change(record.as_ref().map(parse).transpose()?)?;
            let bytes = tree.map(|tree| serde_json::to_vec(&tree)).transpose();
            let bytes = bytes.map_err(StoreError::failed)?;
            let before = record.as_ref().map(|record| &record.value[..]);
            if bytes.as_deref() == before {
                return Ok(outcome);
            }
            self.check_size(bytes.as_deref(), before)?;
            let expect = record
                .as_ref()
                .map_or(Expect::Absent, |record| Expect::Version(record.version));
            let write = match bytes {
                Some(bytes) => Write::put(key(), bytes),
                None => Write::delete(key()),
            };
            let batch = vec![write.expecting(expect)];
            let now = self.parts.clock.now();
            if let Written::Done(_) = self.parts.records.write(tenant, batch, now).await? {
                // Nobody may be watching.
                let _ = self.changes.send(tenant.id());
                return Ok(outcome);
            }
        }
        Err(StoreError::Contended(None).into())
    }

    /// What is too big may still become smaller.
    fn check_size(&self, bytes: Option<&[u8]>, before: Option<&[u8]>) -> Result<(), Refusal> {
        let limit = self.parts.limits.config_bytes;
        let (would, used) = (bytes.map_or(0, <[u8]>::len), before.map_or(0, <[u8]>::len));
        if would as u64 > limit.max && would > used {
            return Err(Refusal::Size { would, used, limit });
        }
        Ok(())
    }
}
