//! Which blobs and uploads a namespace has, where their bytes lie, and how many that are: all that lie there count,
//! those of uploads and of what is being removed too, so that a namespace never fills more room than it may.
//!
//! Bytes are written under a fresh id first and then named here in one step, so that a key always leads to a whole
//! blob, the old or the new one. An id that nothing leads to any more is noted as leaving until its bytes are gone.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Records, Scan, Write, Written},
};
use micro_tenancy::Tenant;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

use super::pieces::{Piece, Pieces};

/// A blob that a key leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Where its bytes lie.
    pub id: String,
    pub pieces: Pieces,
    /// In hexadecimal digits.
    pub sha256: String,
    /// Unix seconds.
    pub modified_at: i64,
}

/// A blob on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    #[serde(skip)]
    pub id: String,
    #[serde(skip)]
    version: u64,
    pub key: String,
    /// As announced: zero where it was not.
    pub bytes: u64,
    /// As announced.
    pub sha256: String,
    pub pieces: Pieces,
    /// Counts those who have sent: the last one may.
    pub sender: u32,
    /// When bytes last arrived: unix seconds.
    pub touched_at: i64,
    /// It may be taken up again; others end with their sender.
    pub lasts: bool,
}

/// Bytes that are being removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leaving {
    #[serde(skip)]
    pub id: String,
    #[serde(skip)]
    version: u64,
    pub pieces: Pieces,
    /// A piece that may have been stored and not counted.
    pub stray: Option<(u32, u32)>,
}

/// What came of a change to an upload.
pub enum Changed {
    /// It is done.
    Done,
    /// So many bytes are in use that it does not fit.
    Full(u64),
    /// Another sender has taken it up, or it was given up.
    Lost,
}

/// What came of naming an upload.
pub enum Named {
    /// Its key leads to it; these bytes are to be removed now.
    Done(Blob, Option<Leaving>),
    /// Another sender has taken it up, or it was given up.
    Lost,
}

/// The index of one namespace at one moment.
pub struct BlobIndex<'s> {
    pub records: &'s dyn Records,
    pub tenant: &'s Tenant,
    pub now: OffsetDateTime,
}

const BLOBS: &str = "store_blobs";
const UPLOADS: &str = "store_uploads";
const LEAVING: &str = "store_blobs_leaving";
/// An upload that may be taken up again waits so long for its sender,
const LASTS: Duration = Duration::DAY;
/// and one that may not, for more bytes.
const BROKEN_AFTER: Duration = Duration::HOUR;
/// How often a lost race is run again.
const TRIES: usize = 50;

fn used_key() -> Key {
    Key::core("store_blobs_used", "bytes")
}

/// How many uploads that last a namespace has ever begun.
fn begun_key() -> Key {
    Key::core("store_uploads_begun", "uploads")
}

impl BlobIndex<'_> {
    /// The blob of that key.
    pub async fn find(&self, key: &str) -> Result<Option<Blob>, StoreError> {
        self.read(Key::core(BLOBS, key)).await?.parse("a blob")
    }

    /// Bytes that lie there.
    pub async fn used(&self) -> Result<u64, StoreError> {
        self.read(used_key()).await?.count()
    }

    /// Bytes that lie there, but for those of the key's blob, which is about to be replaced.
    pub async fn used_beside(&self, key: &str) -> Result<u64, StoreError> {
        let [blob, used] = self.both(Key::core(BLOBS, key), used_key()).await?;
        Ok(used.count()?.saturating_sub(bytes_of(&blob.parse("a blob")?)))
    }

    /// Blobs whose keys begin so, in order, behind a key.
    pub async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Blob)>, StoreError> {
        let mut scan = Scan::core(BLOBS, prefix).limit(limit);
        if !after.is_empty() && after >= prefix {
            scan = scan.after(after);
        }
        let found = self.records.scan(self.tenant, scan, self.now).await?;
        found
            .iter()
            .map(|record| Ok((record.key.clone(), parse("a blob", record)?)))
            .collect()
    }

    /// The uploads under way.
    pub async fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        let found = self
            .records
            .scan(self.tenant, Scan::core(UPLOADS, ""), self.now)
            .await?;
        found.iter().map(upload).collect()
    }

    /// The upload of that id.
    pub async fn upload(&self, id: &str) -> Result<Option<Upload>, StoreError> {
        let found = self.read(Key::core(UPLOADS, id)).await?;
        found.0.as_ref().map(upload).transpose()
    }

    /// Notes that bytes are on their way, with what else is to be written; whether it could.
    pub async fn begin(&self, upload: &Upload, more: Option<Write>) -> Result<bool, StoreError> {
        let put = Write::put(Key::core(UPLOADS, upload.id.as_str()), json(upload)).expecting(Expect::Absent);
        let batch = std::iter::once(put).chain(more).collect();
        let written = self.records.write(self.tenant, batch, self.now).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    /// What whoever begins an upload that lasts writes with it: of several at once, one finds it as it was read.
    pub async fn next_begun(&self) -> Result<Write, StoreError> {
        let begun = self.read(begun_key()).await?;
        let next = begun.parse::<u64>("the number of uploads")?.unwrap_or_default() + 1;
        Ok(Write::put(begun_key(), json(&next)).expecting(begun.expect()))
    }

    /// Makes the caller the one who sends; none where it was given up meanwhile.
    pub async fn take_up(&self, id: &str) -> Result<Option<Upload>, StoreError> {
        for _ in 0..TRIES {
            let Some(mut upload) = self.upload(id).await? else {
                return Ok(None);
            };
            upload.sender += 1;
            upload.touched_at = self.now.unix_timestamp();
            if let Some(version) = self.put_upload(&upload, Vec::new()).await? {
                upload.version = version;
                return Ok(Some(upload));
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Counts a piece that is stored, if all fits into `max`.
    pub async fn grow(&self, upload: &mut Upload, piece: Piece, max: u64) -> Result<Changed, StoreError> {
        for _ in 0..TRIES {
            let [blob, used] = self.both(Key::core(BLOBS, upload.key.as_str()), used_key()).await?;
            let (all, replaced) = (used.count()?, bytes_of(&blob.parse("a blob")?));
            let beside = all.saturating_sub(replaced);
            if beside + piece.bytes > max {
                return Ok(Changed::Full(beside));
            }
            let mut grown = upload.clone();
            grown.pieces.push(piece);
            grown.touched_at = self.now.unix_timestamp();
            let count = Write::put(used_key(), json(&(all + piece.bytes))).expecting(used.expect());
            if let Some(version) = self.put_upload(&grown, vec![count]).await? {
                *upload = Upload { version, ..grown };
                return Ok(Changed::Done);
            }
            // Somebody else has counted, or sends: only the first may be tried again.
            let now = self.upload(&upload.id).await?;
            if now.is_none_or(|now| now.version != upload.version) {
                return Ok(Changed::Lost);
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Lets the upload's key lead to it.
    pub async fn name(&self, upload: &Upload, sha256: String) -> Result<Named, StoreError> {
        let blob = Blob {
            id: upload.id.clone(),
            pieces: upload.pieces.clone(),
            sha256,
            modified_at: self.now.unix_timestamp(),
        };
        for _ in 0..TRIES {
            let key = Key::core(BLOBS, upload.key.as_str());
            let old = self.read(key.clone()).await?;
            let replaced = old.parse::<Blob>("a blob")?.map(Leaving::of);
            let mut batch = vec![Write::put(key, json(&blob)).expecting(old.expect()), upload.end()];
            batch.extend(replaced.iter().map(Leaving::note));
            match self.records.write(self.tenant, batch, self.now).await? {
                Written::Done(versions) => {
                    let leaving = replaced.map(|leaving| leaving.at(versions.last()));
                    return Ok(Named::Done(blob, leaving));
                }
                Written::Lost(1) => return Ok(Named::Lost),
                Written::Lost(_) => {}
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Lets a key lead nowhere; the bytes it led to are to be removed now.
    pub async fn unname(&self, key: &str) -> Result<Option<Leaving>, StoreError> {
        for _ in 0..TRIES {
            let old = self.read(Key::core(BLOBS, key)).await?;
            let Some(blob) = old.parse::<Blob>("a blob")? else {
                return Ok(None);
            };
            let leaving = Leaving::of(blob);
            let batch = vec![
                Write::delete(Key::core(BLOBS, key)).expecting(old.expect()),
                leaving.note(),
            ];
            if let Written::Done(versions) = self.records.write(self.tenant, batch, self.now).await? {
                return Ok(Some(leaving.at(versions.last())));
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Gives an upload up; its bytes are to be removed now. None where it has ended otherwise.
    pub async fn give_up(&self, id: &str) -> Result<Option<Leaving>, StoreError> {
        for _ in 0..TRIES {
            let Some(upload) = self.upload(id).await? else {
                return Ok(None);
            };
            let leaving = Leaving {
                id: upload.id.clone(),
                version: 0,
                stray: Some((upload.pieces.count(), upload.sender)),
                pieces: upload.pieces.clone(),
            };
            let batch = vec![upload.end(), leaving.note()];
            if let Written::Done(versions) = self.records.write(self.tenant, batch, self.now).await? {
                return Ok(Some(leaving.at(versions.last())));
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Notes that bytes are gone, and gives back their room.
    pub async fn gone(&self, leaving: &Leaving) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let used = self.read(used_key()).await?;
            let left = used.count()?.saturating_sub(leaving.pieces.bytes());
            let batch = vec![
                Write::delete(leaving.key()).expecting(Expect::Version(leaving.version)),
                Write::put(used_key(), json(&left)).expecting(used.expect()),
            ];
            match self.records.write(self.tenant, batch, self.now).await? {
                // Or somebody else has removed them.
                Written::Done(_) | Written::Lost(0) => return Ok(()),
                Written::Lost(_) => {}
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Bytes that were to be removed and are still there.
    pub async fn leaving(&self) -> Result<Vec<Leaving>, StoreError> {
        let found = self
            .records
            .scan(self.tenant, Scan::core(LEAVING, ""), self.now)
            .await?;
        let leaving = |record: &Record| {
            Ok(Leaving {
                id: record.key.clone(),
                version: record.version,
                ..parse("bytes that leave", record)?
            })
        };
        found.iter().map(leaving).collect()
    }

    async fn put_upload(&self, upload: &Upload, more: Vec<Write>) -> Result<Option<u64>, StoreError> {
        let key = Key::core(UPLOADS, upload.id.as_str());
        let mut batch = vec![Write::put(key, json(upload)).expecting(Expect::Version(upload.version))];
        batch.extend(more);
        match self.records.write(self.tenant, batch, self.now).await? {
            Written::Done(versions) => Ok(versions.first().copied()),
            Written::Lost(_) => Ok(None),
        }
    }

    /// Two records, read together.
    async fn both(&self, one: Key, other: Key) -> Result<[Found; 2], StoreError> {
        let mut found = self
            .records
            .get(self.tenant, &[one, other], self.now)
            .await?
            .into_iter();
        Ok([Found(found.next().flatten()), Found(found.next().flatten())])
    }

    async fn read(&self, key: Key) -> Result<Found, StoreError> {
        let found = self.records.get(self.tenant, &[key], self.now).await?;
        Ok(Found(found.into_iter().flatten().next()))
    }
}

impl Upload {
    /// One that begins now.
    pub fn new(id: String, key: &str, now: OffsetDateTime) -> Self {
        Self {
            id,
            version: 0,
            key: key.into(),
            bytes: 0,
            sha256: String::new(),
            pieces: Pieces::default(),
            sender: 0,
            touched_at: now.unix_timestamp(),
            lasts: false,
        }
    }

    /// Whether nobody is at work on it any more.
    pub fn is_forgotten(&self, now: OffsetDateTime) -> bool {
        let lasts = if self.lasts { LASTS } else { BROKEN_AFTER };
        self.touched_at < (now - lasts).unix_timestamp()
    }

    fn end(&self) -> Write {
        Write::delete(Key::core(UPLOADS, self.id.as_str())).expecting(Expect::Version(self.version))
    }
}

impl Leaving {
    fn of(blob: Blob) -> Self {
        Self {
            id: blob.id,
            version: 0,
            pieces: blob.pieces,
            stray: None,
        }
    }

    fn at(self, version: Option<&u64>) -> Self {
        Self {
            version: version.copied().unwrap_or_default(),
            ..self
        }
    }

    fn key(&self) -> Key {
        Key::core(LEAVING, self.id.as_str())
    }

    fn note(&self) -> Write {
        Write::put(self.key(), json(self))
    }

    /// Where its bytes lie, or may lie.
    pub fn places(&self) -> impl Iterator<Item = String> + '_ {
        let stray = self.stray.map(|(number, sender)| Piece {
            number,
            sender,
            bytes: 0,
        });
        self.pieces.iter().chain(stray).map(|piece| piece.place(&self.id))
    }
}

fn bytes_of(blob: &Option<Blob>) -> u64 {
    blob.as_ref().map_or(0, |blob| blob.pieces.bytes())
}

fn upload(record: &Record) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: record.key.clone(),
        version: record.version,
        ..parse("an upload", record)?
    })
}

/// What was read, if anything.
struct Found(Option<Record>);

impl Found {
    fn expect(&self) -> Expect {
        self.0
            .as_ref()
            .map_or(Expect::Absent, |record| Expect::Version(record.version))
    }

    fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<Option<T>, StoreError> {
        self.0.as_ref().map(|record| parse(what, record)).transpose()
    }

    fn count(&self) -> Result<u64, StoreError> {
        Ok(self.parse("the bytes of all blobs")?.unwrap_or_default())
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain words and numbers: there is nothing that JSON cannot say.
    serde_json::to_vec(value).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(what: &str, record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|_| StoreError::Damaged(format!("{what} does not parse")))
}
