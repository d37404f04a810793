//! What a namespace pays.

use micro_domain::NamespaceId;
use micro_storage::retrying;
use micro_tenancy::Tenant;

use super::{Billing, Result};
use crate::{
    BillingError,
    store::{Row, Subscriptions, own_subscription},
};

impl Billing {
    /// The namespace's subscription: the live one, or the last. Read inside the namespace where the caller is in one.
    pub(crate) async fn read(&self, tenant: Option<Tenant>, namespace: NamespaceId) -> Result<Row> {
        let found = match tenant {
            Some(tenant) => {
                retrying(async || {
                    let mut tx = self.ports.db.begin(&tenant).await?;
                    let row = own_subscription(&mut tx).await?;
                    tx.commit().await?;
                    Ok::<_, BillingError>(row)
                })
                .await?
            }
            None => {
                let db = self.db();
                retrying(async || {
                    let mut tx = db.begin().await?;
                    let row = Subscriptions(&mut tx).last_of_namespace(namespace).await?;
                    tx.commit().await?;
                    Ok::<_, BillingError>(row)
                })
                .await?
            }
        };
        found.ok_or(BillingError::NoSubscription)
    }
}
