//! Which blobs a namespace has, where their bytes lie, and how many that are. Bytes are written under a fresh id
//! first and then named here in one step, so that a key always leads to a whole blob, the old or the new one.
//!
//! An id that no key leads to (an upload at work, bytes that were replaced) is noted as pending until its bytes
//! are gone; what a crash leaves pending is collected later.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Records, Scan, Write, Written},
};
use micro_tenancy::Tenant;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

/// Where a blob's bytes lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub id: String,
    pub bytes: u64,
}

impl Blob {
    /// The key of its bytes in `Blobs`: no tenant's request names it.
    pub fn place(id: &str) -> String {
        format!("store/{id}")
    }
}

/// What came of naming a blob.
pub enum Named {
    /// Its key leads to it; these bytes are to be removed now.
    Done(Option<Blob>),
    /// So many bytes are in use that it does not fit.
    Full(u64),
    /// It took so long that its bytes were collected.
    Collected,
}

/// The index of one namespace at one moment.
pub struct BlobIndex<'s> {
    pub records: &'s dyn Records,
    pub tenant: &'s Tenant,
    pub now: OffsetDateTime,
}

const BLOBS: &str = "store_blobs";
const PENDING: &str = "store_blobs_pending";
/// An upload that takes longer than this is given up.
const COLLECT_AFTER: Duration = Duration::DAY;
/// How often a lost race is run again.
const TRIES: usize = 50;

fn used_key() -> Key {
    Key::core("store_blobs_used", "bytes")
}

impl BlobIndex<'_> {
    /// The blob of that key.
    pub async fn find(&self, key: &str) -> Result<Option<Blob>, StoreError> {
        let found = self
            .records
            .get(self.tenant, &[Key::core(BLOBS, key)], self.now)
            .await?;
        found.into_iter().flatten().next().as_ref().map(parse).transpose()
    }

    /// How many bytes all blobs have, but for the one of this key, which is about to be replaced.
    pub async fn used_beside(&self, key: &str) -> Result<u64, StoreError> {
        let (blob, used) = self.both(key).await?;
        Ok(used.count()?.saturating_sub(blob.blob()?.map_or(0, |blob| blob.bytes)))
    }

    /// Notes that bytes are on their way.
    pub async fn begin(&self, id: &str) -> Result<(), StoreError> {
        self.write(vec![self.pending(id)]).await.map(drop)
    }

    /// Lets a key lead to these bytes, if they fit.
    pub async fn name(&self, key: &str, blob: &Blob, max: u64) -> Result<Named, StoreError> {
        for _ in 0..TRIES {
            let (old, used) = self.both(key).await?;
            let replaced = old.blob()?;
            let beside = used
                .count()?
                .saturating_sub(replaced.as_ref().map_or(0, |old| old.bytes));
            if beside + blob.bytes > max {
                return Ok(Named::Full(beside));
            }
            let Some(begun) = self.read(Key::core(PENDING, &blob.id)).await?.0 else {
                return Ok(Named::Collected);
            };
            let mut batch = vec![
                Write::put(Key::core(BLOBS, key), json(blob)).expecting(old.expect()),
                Write::put(used_key(), json(&(beside + blob.bytes))).expecting(used.expect()),
                Write::delete(Key::core(PENDING, &blob.id)).expecting(Expect::Version(begun.version)),
            ];
            batch.extend(replaced.iter().map(|old| self.pending(&old.id)));
            if self.write(batch).await? {
                return Ok(Named::Done(replaced));
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Lets a key lead nowhere; the bytes it led to are to be removed now.
    pub async fn unname(&self, key: &str) -> Result<Option<Blob>, StoreError> {
        for _ in 0..TRIES {
            let (old, used) = self.both(key).await?;
            let Some(blob) = old.blob()? else { return Ok(None) };
            let batch = vec![
                Write::delete(Key::core(BLOBS, key)).expecting(old.expect()),
                Write::put(used_key(), json(&used.count()?.saturating_sub(blob.bytes))).expecting(used.expect()),
                self.pending(&blob.id),
            ];
            if self.write(batch).await? {
                return Ok(Some(blob));
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Notes that the bytes of an id are gone.
    pub async fn gone(&self, id: &str) -> Result<(), StoreError> {
        self.write(vec![Write::delete(Key::core(PENDING, id))]).await.map(drop)
    }

    /// Ids that have been pending for too long: nobody is at work on them any more.
    pub async fn forgotten(&self) -> Result<Vec<String>, StoreError> {
        let pending = self
            .records
            .scan(self.tenant, Scan::core(PENDING, ""), self.now)
            .await?;
        let before = (self.now - COLLECT_AFTER).unix_timestamp();
        let mut ids = Vec::new();
        for record in &pending {
            if parse::<i64>(record)? < before {
                ids.push(record.key.clone());
            }
        }
        Ok(ids)
    }

    fn pending(&self, id: &str) -> Write {
        Write::put(Key::core(PENDING, id), json(&self.now.unix_timestamp()))
    }

    /// A key's blob and the bytes in use, read together.
    async fn both(&self, key: &str) -> Result<(Found, Found), StoreError> {
        let keys = [Key::core(BLOBS, key), used_key()];
        let mut found = self.records.get(self.tenant, &keys, self.now).await?.into_iter();
        Ok((Found(found.next().flatten()), Found(found.next().flatten())))
    }

    async fn read(&self, key: Key) -> Result<Found, StoreError> {
        let found = self.records.get(self.tenant, &[key], self.now).await?;
        Ok(Found(found.into_iter().flatten().next()))
    }

    /// Whether the batch was written: what it expects may not hold any more.
    async fn write(&self, batch: Vec<Write>) -> Result<bool, StoreError> {
        let written = self.records.write(self.tenant, batch, self.now).await?;
        Ok(matches!(written, Written::Done(_)))
    }
}

/// What was read, if anything.
struct Found(Option<Record>);

impl Found {
    fn expect(&self) -> Expect {
        self.0
            .as_ref()
            .map_or(Expect::Absent, |record| Expect::Version(record.version))
    }

    fn blob(&self) -> Result<Option<Blob>, StoreError> {
        self.0.as_ref().map(parse).transpose()
    }

    fn count(&self) -> Result<u64, StoreError> {
        self.0.as_ref().map_or(Ok(0), parse)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain words and numbers: there is nothing that JSON cannot say.
    serde_json::to_vec(value).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|_| StoreError::Damaged("the index of blobs".into()))
}
