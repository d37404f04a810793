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

/// A replica that has said nothing for so long is believed dead.
const BELIEVED: Duration = Duration::seconds(15);

impl Stored {
    /// Says that this replica lives, unless it just has, or is the only one.
    pub async fn say_alive(&self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let said = self.said_alive.load(Ordering::Relaxed);
        // Not where the clock was set back since: then the others would hear nothing until it has caught up.
        let just_now = (0..BELIEVED.whole_seconds() / 4).contains(&now.unix_timestamp().saturating_sub(said));
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
