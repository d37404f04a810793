//! The last event of each producer.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Stored, parse};
use crate::{RETENTION, place::Place};

const TABLE: &str = "events-producers";

/// An event that a producer has published, or is publishing: written down before it goes into the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Produced {
    /// The producer's count.
    pub sequence: u64,
    /// The event's id.
    pub id: String,
    /// It is in the log from this number on, or not at all.
    pub from: u64,
    /// The replica that publishes it.
    pub by: Uuid,
    /// Until when no other replica may try: unix seconds.
    pub until: i64,
    #[serde(skip)]
    version: Option<u64>,
}

impl Produced {
    /// The event that comes behind `last`.
    pub fn behind(last: Option<&Self>, sequence: u64, id: String, from: u64) -> Self {
        Self {
            sequence,
            id,
            from,
            by: Uuid::nil(),
            until: 0,
            version: last.and_then(|last| last.version),
        }
    }
}

impl Stored {
    /// The producer's last event, if it has published one lately.
    pub async fn produced(&self, place: &Place, producer: &str) -> Result<Option<Produced>, StoreError> {
        let now = self.parts.clock.now();
        let keys = [Key::core(TABLE, place.below(producer))];
        let found = self.parts.records.get(&place.tenant, &keys, now).await?;
        let Some(record) = found.into_iter().next().flatten() else {
            return Ok(None);
        };
        let mut produced: Produced = parse("a producer", &record)?;
        produced.version = Some(record.version);
        Ok(Some(produced))
    }

    /// Claims the right to publish this event; whether nobody else was first.
    pub async fn produce(&self, place: &Place, producer: &str, event: &Produced) -> Result<bool, StoreError> {
        const CLAIM: i64 = 30;
        let now = self.parts.clock.now();
        let claimed = Produced {
            by: self.boot,
            until: now.unix_timestamp() + CLAIM,
            ..event.clone()
        };
        let value = serde_json::to_vec(&claimed).map_err(StoreError::failed)?;
        let expect = event.version.map_or(Expect::Absent, Expect::Version);
        let write = Write::put(Key::core(TABLE, place.below(producer)), value)
            .until(now + RETENTION)
            .expecting(expect);
        let written = self.parts.records.write(&place.tenant, vec![write], now).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    /// Whether the event is in the log.
    pub async fn is_published(&self, place: &Place, event: &Produced) -> Result<bool, StoreError> {
        let mut number = event.from;
        loop {
            let events = self.events(place, number).await?;
            let Some(last) = events.last() else { return Ok(false) };
            number = last.number + 1;
            if events.iter().any(|found| found.id == event.id) {
                return Ok(true);
            }
        }
    }
}
