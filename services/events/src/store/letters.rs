//! Dead letters: events that a group refused until its limit. Replaying one moves it to where the group looks before
//! it goes on.

use micro_proto::events::{DeadLetter, Event};
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Scan, Write, Written},
};
use prost::Message;

use super::Stored;
use crate::{
    DEAD_LETTER_RETENTION, DEAD_LETTERS,
    place::{BETWEEN, Place},
};

const BURIED: &str = "events-letters";
const AGAIN: &str = "events-again";

/// Letters that are in memory at once.
const STEP: usize = 8;

impl Stored {
    /// The writes that keep an event as the group's dead letter of that number, and let the oldest go.
    pub fn bury(&self, place: &Place, group: &str, number: u64, event: &Event, attempts: u64) -> Vec<Write> {
        let now = self.parts.clock.now();
        let letter = DeadLetter {
            number,
            event: Some(event.clone()),
            attempts,
            buried_at: now.unix_timestamp(),
        };
        let buried = key(BURIED, place, group, number);
        let mut writes = vec![Write::put(buried, letter.encode_to_vec()).until(now + DEAD_LETTER_RETENTION)];
        if let Some(oldest) = number.checked_sub(DEAD_LETTERS) {
            writes.push(Write::delete(key(BURIED, place, group, oldest)));
        }
        writes
    }

    /// The group's dead letters behind the one of number `after`, oldest first; few at a time.
    pub async fn letters(&self, place: &Place, group: &str, after: Option<u64>) -> Result<Vec<Kept>, StoreError> {
        self.kept(BURIED, place, group, after).await
    }

    /// What is to be given to the group again, oldest first; few at a time.
    pub async fn to_replay(&self, place: &Place, group: &str) -> Result<Vec<Kept>, StoreError> {
        self.kept(AGAIN, place, group, None).await
    }

    /// The dead letter of that number.
    pub async fn letter(&self, place: &Place, group: &str, number: u64) -> Result<Option<Kept>, StoreError> {
        let now = self.parts.clock.now();
        let keys = [key(BURIED, place, group, number)];
        let found = self.parts.records.get(&place.tenant, &keys, now).await?;
        found.into_iter().next().flatten().map(kept).transpose()
    }

    /// Gives a dead letter to the group again, unless somebody has done so.
    pub async fn replay(&self, place: &Place, group: &str, kept: &Kept) -> Result<bool, StoreError> {
        let (now, number) = (self.parts.clock.now(), kept.letter.number);
        let again = key(AGAIN, place, group, number);
        let batch = vec![
            Write::delete(key(BURIED, place, group, number)).expecting(Expect::Version(kept.version)),
            Write::put(again, kept.letter.encode_to_vec()).until(now + DEAD_LETTER_RETENTION),
        ];
        let written = self.parts.records.write(&place.tenant, batch, now).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    /// The write that ends a replay.
    pub fn replayed(&self, place: &Place, group: &str, number: u64) -> Write {
        Write::delete(key(AGAIN, place, group, number))
    }

    /// Forgets all of a group's.
    pub async fn remove_letters(&self, place: &Place, group: &str) -> Result<(), StoreError> {
        for table in [BURIED, AGAIN] {
            loop {
                let found = self.kept(table, place, group, None).await?;
                if found.is_empty() {
                    break;
                }
                let delete = |kept: &Kept| Write::delete(key(table, place, group, kept.letter.number));
                let batch = found.iter().map(delete).collect();
                let now = self.parts.clock.now();
                self.parts.records.write(&place.tenant, batch, now).await?;
            }
        }
        Ok(())
    }

    async fn kept(&self, table: &str, place: &Place, group: &str, after: Option<u64>) -> Result<Vec<Kept>, StoreError> {
        let mut scan = Scan::core(table, &format!("{}{BETWEEN}", place.below(group))).limit(STEP);
        if let Some(after) = after {
            scan = scan.after(&key(table, place, group, after).key);
        }
        let found = self
            .parts
            .records
            .scan(&place.tenant, scan, self.parts.clock.now())
            .await?;
        found.into_iter().map(kept).collect()
    }
}

/// A letter as it was read.
#[derive(Clone, Debug)]
pub struct Kept {
    pub letter: DeadLetter,
    version: u64,
}

fn kept(record: Record) -> Result<Kept, StoreError> {
    let letter = DeadLetter::decode(record.value);
    Ok(Kept {
        letter: letter.map_err(|_| StoreError::Damaged("a dead letter does not parse".into()))?,
        version: record.version,
    })
}

/// Numbers of equal length sort as they count.
fn key(table: &str, place: &Place, group: &str, number: u64) -> Key {
    Key::core(table, format!("{}{BETWEEN}{number:020}", place.below(group)))
}
