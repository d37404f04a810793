//! Ending what tokens stand for: stored first, for the other replicas; then told to this one's doors.

use micro_tenancy::{Revocation, Revocations};
use time::OffsetDateTime;

use crate::{App, AuthError};

impl App {
    /// Makes the tokens of all these void.
    pub(crate) async fn revoke(&self, revoked: Vec<Revocation>, now: OffsetDateTime) -> Result<(), AuthError> {
        let platform = self.platform();
        self.store(&platform, now).add_revocations(&revoked).await?;
        self.parts
            .revocations
            .add(revoked.into_iter().map(|what| (what, now)), now);
        Ok(())
    }

    /// Reads everything that was revoked and that tokens may still outlive.
    pub async fn load_revocations(&self) -> Result<(), AuthError> {
        let now = self.parts.clock.now();
        let mut since = self.followed.lock().await;
        let platform = self.platform();
        let from = since.unwrap_or(now - Revocations::KEEP);
        let revoked = self.store(&platform, now).list_revocations(from).await?;
        self.parts.revocations.add(revoked, now);
        *since = Some(now);
        Ok(())
    }
}
