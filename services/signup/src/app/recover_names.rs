//! A forgotten namespace is mailed to its owner. Whoever asks learns nothing.

use micro_domain::Email;
use micro_limits::{LimitKey, Rate};
use micro_storage::{jobs, retrying};
use micro_tenancy::Caller;
use time::Duration;

use super::{Result, Signup, network};
use crate::{SignupError, jobs::SendRecovery};

impl Signup {
    /// Queues the letter, if there is anything to say in it. One a minute to an address.
    pub(crate) async fn recover(&self, email: &Email, caller: &Caller) -> Result<()> {
        let limits = self.config().limits;
        self.limit(
            LimitKey::tries("signup.network", network(caller)),
            limits.starts_per_network,
        )
        .await?;
        let once = Rate::of(1, Duration::MINUTE);
        let recently = self
            .limit(LimitKey::tries("signup.recover", email.as_str()), once)
            .await;
        recently.map_err(|_| SignupError::RecoveredRecently)?;
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            jobs::queue(&mut tx, SendRecovery { email: email.clone() }, now).await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
