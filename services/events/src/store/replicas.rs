//! Which replicas live: each says so every few seconds.

use std::sync::atomic::Ordering;

use micro_storage::{
    StoreError,
    records::{Key, Write},
};
use time::Duration;
use uuid::Uuid;

use super::Stored;

const TABLE: &str = "events-replicas";

/// How often a replica says that it lives.
pub const SAYS_SO: std::time::Duration = std::time::Duration::from_secs(2);
/// A replica that has said nothing for so long is believed dead, and its groups' members elsewhere are served. Where it
/// only was slow, or its clock differs by more, an event is given twice at worst: whoever moves a group on must find it
/// as it was read.
const BELIEVED: Duration = Duration::seconds(6);

impl Stored {
    /// Says that this replica lives, unless it just has, or is the only one.
    pub async fn say_alive(&self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let said = self.said_alive.load(Ordering::Relaxed);
        let just_now = now.unix_timestamp() == said;
        if !self.parts.shared || just_now {
            return Ok(());
        }
        let write = Write::put(replica(self.boot), "").until(now + BELIEVED);
        self.parts.records.write(&self.platform(), vec![write], now).await?;
        self.said_alive.store(now.unix_timestamp(), Ordering::Relaxed);
        Ok(())
    }

    /// Whether another replica lives.
    pub async fn lives(&self, other: Uuid) -> Result<bool, StoreError> {
        let now = self.parts.clock.now();
        let found = self.parts.records.get(&self.platform(), &[replica(other)], now).await?;
        Ok(found.iter().any(Option::is_some))
    }
}

fn replica(boot: Uuid) -> Key {
    Key::core(TABLE, boot.to_string())
}
