//! Uploads: a blob's bytes arrive in pieces that are kept, so that a sender that was cut off goes on where it stopped.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use micro_clock::Ids;
use micro_domain::{Limit, NamespaceId};
use micro_rpc::Streaming;
use micro_storage::StoreError;
use micro_tenancy::Tenant;
use sha2::{Digest, Sha256};

use super::blobs::pieces_of;
use crate::{
    App, Refusal,
    store::blob_index::{Blob, Changed, Named, Upload},
};

/// A piece has so many bytes, but for the last that a sender brings: one fits into memory.
pub const PIECE: usize = 4 << 20;
/// Senders of one namespace at once: each has a piece in memory.
const SENDERS: Limit = Limit {
    name: "store.senders",
    max: 16,
};
/// Uploads of one namespace under way.
const UPLOADS: Limit = Limit {
    name: "store.uploads",
    max: 100,
};

/// What a sender says of a blob before it sends it.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// Zero where it is not known.
    pub bytes: u64,
    /// Hexadecimal digits; empty where it is not known.
    pub sha256: String,
}

/// A digest of the first bytes of an upload.
pub type Counted = (u64, Sha256);

impl App {
    /// Begins an upload that can be taken up again, or finds the one that was announced in the same words.
    pub async fn begin_upload(&self, tenant: &Tenant, key: &str, announced: Announced) -> Result<Upload, Refusal> {
        let announced = Announced {
            sha256: digest_of(&announced.sha256)?,
            ..announced
        };
        let index = self.index(tenant);
        loop {
            // Before they are counted: whoever begins one in between has changed it.
            let begun = index.next_begun().await?;
            let mut under_way = index.uploads().await?;
            under_way.retain(|upload| upload.lasts);
            let same = |upload: &&Upload| {
                let known = !announced.sha256.is_empty() && upload.key == key;
                known && (upload.bytes, &upload.sha256) == (announced.bytes, &announced.sha256)
            };
            if let Some(upload) = under_way.iter().find(same) {
                return Ok(upload.clone());
            }
            if under_way.len() as u64 >= UPLOADS.max {
                return Err(Refusal::Uploads(UPLOADS));
            }
            let (limit, used) = (self.parts.limits.blobs_bytes, index.used_beside(key).await?);
            if used.saturating_add(announced.bytes) > limit.max {
                return Err(Refusal::Blobs { used, limit });
            }
            let mut upload = Upload::new(Ids.ordered().to_string(), key, index.now);
            upload.bytes = announced.bytes;
            upload.sha256.clone_from(&announced.sha256);
            upload.lasts = true;
            if index.begin(&upload, Some(begun)).await? {
                self.remember(tenant).await?;
                // As it is stored.
                return self.get_upload(tenant, &upload.id).await;
            }
        }
    }

    /// Takes the bytes that come next, from `offset` on. Whole pieces stay where the sender fails.
    pub async fn send(
        &self,
        tenant: &Tenant,
        id: &str,
        offset: u64,
        mut body: Streaming<Bytes>,
    ) -> Result<Upload, Refusal> {
        let _one_of_few = self.senders.enter(tenant.id(), SENDERS)?;
        let index = self.index(tenant);
        let taken = index.take_up(id).await?;
        let mut upload = taken.ok_or(Refusal::NoSuchUpload)?;
        let received = upload.pieces.bytes();
        if offset != received {
            return Err(Refusal::Offset(received));
        }
        // Whoever sent before may have stored one more, and not counted it.
        let stray = upload.pieces.next(0, upload.sender - 1).place(id);
        self.parts.blobs.delete(tenant, &stray).await?;
        let mut digest = self.counted(tenant, &upload);
        let mut held = BytesMut::new();
        loop {
            let more = body.try_next().await?;
            let ended = more.is_none();
            held.extend_from_slice(&more.unwrap_or_default());
            while held.len() >= PIECE || (ended && !held.is_empty()) {
                let piece = held.split_to(held.len().min(PIECE)).freeze();
                self.keep(tenant, &mut upload, piece.clone()).await?;
                digest = count(digest, piece).await?;
                if let Some(counted) = &digest {
                    self.counted.insert(key_of(tenant, id), counted.clone());
                }
            }
            if ended {
                return Ok(upload);
            }
        }
    }

    /// Stores a piece, and counts it.
    async fn keep(&self, tenant: &Tenant, upload: &mut Upload, bytes: Bytes) -> Result<(), Refusal> {
        let limit = self.parts.limits.blobs_bytes;
        let piece = upload.pieces.next(bytes.len() as u64, upload.sender);
        let place = piece.place(&upload.id);
        if upload.bytes > 0 && upload.pieces.bytes() + piece.bytes > upload.bytes {
            return Err(Refusal::Longer(upload.bytes));
        }
        // Before it is stored too: nobody fills the disk with what is refused.
        let used = self.index(tenant).used_beside(&upload.key).await?;
        if used + piece.bytes > limit.max {
            return Err(Refusal::Blobs { used, limit });
        }
        let body = stream::iter([Ok(bytes)]).boxed();
        self.parts.blobs.put(tenant, &place, body, PIECE as u64).await?;
        let refusal = match self.index(tenant).grow(upload, piece, limit.max).await? {
            Changed::Done => return Ok(()),
            Changed::Full(used) => Refusal::Blobs { used, limit },
            Changed::Lost => Refusal::TakenUp,
        };
        self.parts.blobs.delete(tenant, &place).await?;
        Err(refusal)
    }

    /// Lets an upload's key lead to it, if it is what was announced and what its sender has counted.
    pub async fn finish_upload(&self, tenant: &Tenant, id: &str, sha256: &str) -> Result<(String, Blob), Refusal> {
        let sha256 = digest_of(sha256)?;
        let upload = self.get_upload(tenant, id).await?;
        let received = upload.pieces.bytes();
        match received {
            0 => return Err(Refusal::NoBlob),
            few if few < upload.bytes => {
                return Err(Refusal::Incomplete {
                    received,
                    bytes: upload.bytes,
                });
            }
            _ => {}
        }
        let counted = match self.counted(tenant, &upload) {
            Some((_, digest)) => hex(digest),
            None => self.digest_again(tenant, &upload).await?,
        };
        let differs = |said: &String| !said.is_empty() && *said != counted;
        if differs(&sha256) || differs(&upload.sha256) {
            // No byte of it can be believed.
            self.abandon_upload(tenant, id).await?;
            return Err(Refusal::Digest(counted));
        }
        let named = self.index(tenant).name(&upload, counted).await?;
        let Named::Done(blob, replaced) = named else {
            return Err(Refusal::TakenUp);
        };
        self.counted.remove(&key_of(tenant, id));
        if let Some(replaced) = replaced {
            self.remove_bytes(tenant, &replaced).await?;
        }
        Ok((upload.key, blob))
    }

    /// Gives an upload up.
    pub async fn abandon_upload(&self, tenant: &Tenant, id: &str) -> Result<(), Refusal> {
        let leaving = self.index(tenant).give_up(id).await?;
        self.counted.remove(&key_of(tenant, id));
        match leaving {
            Some(leaving) => Ok(self.remove_bytes(tenant, &leaving).await.map(drop)?),
            None => Ok(()),
        }
    }

    /// The uploads under way that can be taken up again.
    pub async fn list_uploads(&self, tenant: &Tenant) -> Result<Vec<Upload>, StoreError> {
        let mut uploads = self.index(tenant).uploads().await?;
        uploads.retain(|upload| upload.lasts);
        Ok(uploads)
    }

    async fn get_upload(&self, tenant: &Tenant, id: &str) -> Result<Upload, Refusal> {
        self.index(tenant).upload(id).await?.ok_or(Refusal::NoSuchUpload)
    }

    /// The digest of what has arrived, where this process has seen all of it.
    fn counted(&self, tenant: &Tenant, upload: &Upload) -> Option<Counted> {
        match upload.pieces.bytes() {
            0 => Some(Counted::default()),
            bytes => self
                .counted
                .get(&key_of(tenant, &upload.id))
                .filter(|(counted, _)| *counted == bytes),
        }
    }

    async fn digest_again(&self, tenant: &Tenant, upload: &Upload) -> Result<String, StoreError> {
        let (pieces, _) = upload.pieces.from(0);
        let bytes = pieces_of(self.parts.blobs.clone(), tenant.clone(), upload.id.clone(), pieces, 0);
        let counted = bytes.try_fold(Some(Counted::default()), count).await?;
        Ok(hex(counted.unwrap_or_default().1))
    }
}

/// The digest of a piece more, where it is known so far. Beside the work of others: it takes a while.
async fn count(counted: Option<Counted>, piece: Bytes) -> Result<Option<Counted>, StoreError> {
    let Some((bytes, mut digest)) = counted else {
        return Ok(None);
    };
    let work = move || {
        digest.update(&piece);
        (bytes + piece.len() as u64, digest)
    };
    let counted = tokio::task::spawn_blocking(work).await;
    counted.map(Some).map_err(StoreError::failed)
}

/// An upload among those of all namespaces.
pub fn key_of(tenant: &Tenant, id: &str) -> (NamespaceId, String) {
    (tenant.id(), id.to_owned())
}

/// A digest as it is compared; nothing where none is given.
fn digest_of(given: &str) -> Result<String, Refusal> {
    let given = given.to_ascii_lowercase();
    match given.is_empty() || (given.len() == 64 && given.bytes().all(|b| b.is_ascii_hexdigit())) {
        true => Ok(given),
        false => Err(Refusal::NoDigest),
    }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
