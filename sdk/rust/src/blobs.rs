//! Files of any size, in parts: what breaks off goes on where it stopped.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, time};

use crate::{
    Context, Error, Streaming, base64, frame,
    value::{found, number},
};

/// Files of the namespace, by key: all its services and `micro store blob` share them.
///
/// ```no_run
/// # use micro_sdk::{Context, Error};
/// # async fn photo(context: Context, picture: Vec<u8>) -> Result<(), Error> {
/// let blobs = context.blobs();
/// blobs.put("photos/ada.png", &picture).await?;
/// let again = blobs.get("photos/ada.png").await?;
/// assert_eq!(again, Some(picture));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Blobs {
    context: Context,
}

/// A file, as the store describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Blob {
    /// Its key.
    pub key: String,
    /// How many bytes it has.
    #[serde(deserialize_with = "number")]
    pub bytes: u64,
    /// Of all of it, in hexadecimal digits.
    pub sha256: String,
    /// Names these bytes: another write of the key has another one.
    pub revision: String,
}

/// A file that is being written: [`finish`](Uploading::finish) it, or it never gets its key.
pub struct Uploading {
    context: Context,
    key: String,
    id: String,
    received: u64,
    /// Of what was received.
    counted: Sha256,
}

/// A file that is being read.
pub struct Download {
    context: Context,
    /// What it is.
    pub blob: Blob,
    at: u64,
    parts: Streaming<Part>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    blob: Option<Blob>,
    data: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Upload {
    upload: String,
    #[serde(deserialize_with = "number")]
    received: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    blobs: Vec<Blob>,
    uploads: Vec<Upload>,
}

/// Bytes of one message, and of one call: each call's are acknowledged together.
const MESSAGE: usize = 256 << 10;
const CALL: usize = 8 << 20;
/// How often what broke off is taken up again, and how long that waits at first.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

impl Blobs {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Stores a file, in place of what its key led to.
    pub async fn put(&self, key: &str, content: &[u8]) -> Result<Blob, Error> {
        // What is too much is refused before it is sent.
        let announced = json!({ "key": key, "bytes": content.len().to_string() });
        let mut upload = self.begin(key, announced).await?;
        upload.write(content).await?;
        upload.finish().await
    }

    /// Begins a file that is written piece by piece. Its key leads to it once it is finished.
    pub async fn upload(&self, key: &str) -> Result<Uploading, Error> {
        self.begin(key, json!({ "key": key })).await
    }

    async fn begin(&self, key: &str, announced: Value) -> Result<Uploading, Error> {
        let begun: Upload = ask(&self.context, "Blobs.Begin", announced).await?;
        Ok(Uploading {
            context: self.context.clone(),
            key: key.into(),
            id: begun.upload,
            received: begun.received,
            counted: Sha256::new(),
        })
    }

    /// All of a file, if there is one.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut download) = self.download(key).await? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        while let Some(part) = download.next().await? {
            content.extend(part);
        }
        Ok(Some(content))
    }

    /// A file part by part, if there is one.
    pub async fn download(&self, key: &str) -> Result<Option<Download>, Error> {
        let opened = open(&self.context, key, 0, "").await;
        Ok(found(opened, "store.")?.map(|(blob, parts)| Download {
            context: self.context.clone(),
            blob,
            at: 0,
            parts,
        }))
    }

    /// The files whose keys begin with `prefix`, in order.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Blob>, Error> {
        let mut blobs: Vec<Blob> = vec![];
        loop {
            let after = blobs.last().map(|last| last.key.clone()).unwrap_or_default();
            let page: Listed = ask(&self.context, "Blobs.List", json!({ "prefix": prefix, "after": after })).await?;
            if page.blobs.is_empty() {
                return Ok(blobs);
            }
            blobs.extend(page.blobs);
        }
    }

    /// Removes a file, if there is one.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        ask::<Value>(&self.context, "BlobStore.Delete", json!({ "key": key }))
            .await
            .map(drop)
    }
}

impl Uploading {
    /// Writes the next bytes; they are kept once this returns.
    pub async fn write(&mut self, content: &[u8]) -> Result<(), Error> {
        let (begin, mut tries) = (self.received, 0);
        loop {
            let done = usize::try_from(self.received - begin).unwrap_or(usize::MAX);
            let Some(rest) = content.get(done..).filter(|rest| !rest.is_empty()) else {
                self.counted.update(content);
                return Ok(());
            };
            match self.send(&rest[..rest.len().min(CALL)]).await {
                Ok(received) => (self.received, tries) = (received, 0),
                Err(e) if e.code == 503 && tries < TRIES => {
                    let received = self.back(&mut tries).await?.max(begin);
                    if received > self.received {
                        tries = 0;
                    }
                    self.received = received;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// How much the store has, as soon as it is back.
    async fn back(&self, tries: &mut u32) -> Result<u64, Error> {
        loop {
            *tries += 1;
            time::sleep(PAUSE * *tries).await;
            match self.received().await {
                Err(e) if e.code == 503 && *tries < TRIES => {}
                received => return received,
            }
        }
    }

    /// Lets the key lead to what was written, if the store has counted the same digest.
    pub async fn finish(self) -> Result<Blob, Error> {
        let digest: String = self
            .counted
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let request = json!({ "upload": self.id, "sha256": digest });
        ask(&self.context, "Blobs.Finish", request).await
    }

    /// Gives it up. One that is only dropped is given up a day later.
    pub async fn abandon(self) -> Result<(), Error> {
        ask::<Value>(&self.context, "Blobs.Abandon", json!({ "upload": self.id }))
            .await
            .map(drop)
    }

    async fn send(&self, content: &[u8]) -> Result<u64, Error> {
        let mut pieces = content.chunks(MESSAGE).map(base64::encode);
        let first = json!({
            "upload": self.id,
            "offset": self.received.to_string(),
            "data": pieces.next().unwrap_or_default(),
        });
        let rest = pieces.map(|data| frame::encode_json(&json!({ "data": data })));
        let rest = rest.collect::<Result<Vec<_>, _>>()?;
        let (more, sent) = mpsc::channel::<Bytes>(rest.len().max(1));
        for piece in rest {
            // There is room for all of them.
            let _the_call_may_have_failed = more.try_send(piece);
        }
        drop(more);
        let mut answer = self
            .context
            .open::<_, Upload>("store", "Blobs.Send", &first, Some(Streaming::received(sent)))
            .await?;
        match answer.next().await {
            Some(upload) => Ok(upload?.received),
            None => Err(Error::new(503, "the store ended the call without an answer")),
        }
    }

    /// How much of it the store has.
    async fn received(&self) -> Result<u64, Error> {
        let listed: Listed = ask(&self.context, "Blobs.List", json!({ "prefix": self.key, "limit": "1" })).await?;
        let upload = listed.uploads.into_iter().find(|upload| upload.upload == self.id);
        upload
            .map(|upload| upload.received)
            .ok_or_else(|| Error::not_found("the upload was given up"))
    }
}

impl Download {
    /// The next bytes; none behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut tries = 0;
        loop {
            match self.parts.next().await {
                None => return Ok(None),
                Some(Ok(part)) => {
                    let damaged = || Error::internal(format!("the file {:?} came damaged", self.blob.key));
                    let data = base64::decode(&part.data).ok_or_else(damaged)?;
                    self.at += data.len() as u64;
                    return Ok(Some(data));
                }
                Some(Err(e)) if e.code == 503 && tries < TRIES => {
                    tries += 1;
                    time::sleep(PAUSE * tries).await;
                    // Where it cannot be opened, the next round fails, and tries again.
                    match open(&self.context, &self.blob.key, self.at, &self.blob.revision).await {
                        Ok((_, parts)) => self.parts = parts,
                        Err(e) if e.code == 503 => self.parts = failing(e),
                        Err(e) => return Err(e),
                    }
                }
                Some(Err(e)) => return Err(e),
            }
        }
    }
}

fn failing(error: Error) -> Streaming<Part> {
    let mut error = Some(error);
    Streaming::polled(move |_| std::task::Poll::Ready(error.take().map(Err)))
}

/// What a key leads to, and its bytes from `offset` on.
async fn open(context: &Context, key: &str, offset: u64, revision: &str) -> Result<(Blob, Streaming<Part>), Error> {
    let request = json!({ "key": key, "offset": offset.to_string(), "revision": revision });
    let mut parts = context.open::<_, Part>("store", "Blobs.Fetch", &request, None).await?;
    let first = parts.next().await.transpose()?.and_then(|first| first.blob);
    let blob = first.ok_or_else(|| Error::internal("the store does not say what it sends"))?;
    Ok((blob, parts))
}

async fn ask<A: DeserializeOwned>(context: &Context, endpoint: &str, request: Value) -> Result<A, Error> {
    context.ask("store", endpoint, &request).await
}
