//! Where a group stands in a topic.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Scan, Write, Written},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Stored, parse};
use crate::place::{BETWEEN, Place};

const TABLE: &str = "events-groups";
/// How many groups a namespace has ever begun.
const BEGUN: &str = "events-groups-begun";

/// Where a group stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The event that is next.
    pub next: u64,
    /// How often that was tried in vain.
    pub attempts: u64,
    /// How many dead letters there ever were.
    pub letters: u64,
    /// The replica that serves the group's members.
    pub holder: Option<Uuid>,
}

/// Where a group stood when it was read.
#[derive(Clone, Debug)]
pub struct Stood {
    pub standing: Standing,
    pub version: u64,
}

impl Stored {
    /// Where the group stands, if there is such a group.
    pub async fn group(&self, place: &Place, group: &str) -> Result<Option<Stood>, StoreError> {
        let now = self.parts.clock.now();
        let found = self.parts.records.get(&place.tenant, &[key(place, group)], now).await?;
        found
            .into_iter()
            .next()
            .flatten()
            .map(|record| stood(&record))
            .transpose()
    }

    /// The groups of a topic, or of all where it has no name: topic, name, and where they stand.
    pub async fn groups(&self, place: &Place) -> Result<Vec<(String, String, Standing)>, StoreError> {
        let prefix = if place.topic.is_empty() {
            String::new()
        } else {
            place.below("")
        };
        let records = self.all(&place.tenant, Scan::core(TABLE, &prefix)).await?;
        let group = |record: Record| {
            let standing = stood(&record)?.standing;
            let (topic, name) = record.key.split_once(BETWEEN).unwrap_or_default();
            Ok((topic.to_owned(), name.to_owned(), standing))
        };
        records.into_iter().map(group).collect()
    }

    /// Writes down where the group stands, together with other writes, if it still is as it was read (`None`: not
    /// there). The new version, unless somebody else was first.
    pub async fn stand(
        &self,
        place: &Place,
        group: &str,
        standing: &Standing,
        was: Option<u64>,
        more: Vec<Write>,
    ) -> Result<Option<u64>, StoreError> {
        let value = serde_json::to_vec(standing).map_err(StoreError::failed)?;
        let expect = was.map_or(Expect::Absent, Expect::Version);
        let mut batch = vec![Write::put(key(place, group), value).expecting(expect)];
        batch.extend(more);
        let now = self.parts.clock.now();
        match self.parts.records.write(&place.tenant, batch, now).await? {
            Written::Done(versions) => Ok(versions.first().copied()),
            Written::Lost(_) => Ok(None),
        }
    }

    /// What whoever begins a group of this namespace writes with it: of several at once, one finds it as it was read.
    pub async fn next_begun(&self, place: &Place) -> Result<Write, StoreError> {
        let (key, now) = (Key::core(BEGUN, "groups"), self.parts.clock.now());
        let found = self
            .parts
            .records
            .get(&place.tenant, std::slice::from_ref(&key), now)
            .await?;
        let found = found.into_iter().flatten().next();
        let begun: u64 = found
            .as_ref()
            .map_or(Ok(0), |record| parse("the number of groups", record))?;
        let expect = found.map_or(Expect::Absent, |record| Expect::Version(record.version));
        Ok(Write::put(key, (begun + 1).to_string()).expecting(expect))
    }

    /// Forgets a group.
    pub async fn remove_group(&self, place: &Place, group: &str) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let write = Write::delete(key(place, group));
        self.parts
            .records
            .write(&place.tenant, vec![write], now)
            .await
            .map(|_| ())
    }
}

fn key(place: &Place, group: &str) -> Key {
    Key::core(TABLE, place.below(group))
}

fn stood(record: &Record) -> Result<Stood, StoreError> {
    Ok(Stood {
        standing: parse("a group", record)?,
        version: record.version,
    })
}
