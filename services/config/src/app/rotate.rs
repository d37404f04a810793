//! Sealing the secrets of a namespace under the key in use, so that the keys before it can be given up.

use micro_tenancy::Tenant;

use crate::{App, Refusal, keys::Sealed, tree};

impl App {
    /// Seals anew what another key than the one in use has sealed; how many secrets that were. Safe to run again.
    pub async fn rotate(&self, tenant: &Tenant) -> Result<u64, Refusal> {
        let keys = &self.parts.keys;
        let reseal = |at: &[String], sealed: &Sealed| {
            if keys.is_current(sealed) {
                return Ok(None);
            }
            let text = keys.open(tenant.id(), at, sealed)?;
            keys.seal(tenant.id(), at, &text).map(Some)
        };
        self.change(tenant, |tree| match tree {
            Some(mut tree) => {
                let renewed = tree::renew(&mut tree, &mut Vec::new(), &reseal)?;
                Ok((Some(tree), renewed))
            }
            None => Ok((None, 0)),
        })
        .await
    }
}
