//! Uploads that are taken up again where they stopped, and downloads from anywhere.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use micro_clock::Clock;
use micro_domain::{Limit, Limits};
use micro_error::{Error, Kind};
use micro_proto::store::{
    AbandonUploadRequest, BeginUploadRequest, Blob, BlobDeleteRequest, BlobStore, Blobs, FetchBlobRequest,
    FinishUploadRequest, ListBlobsRequest, ListBlobsResponse, Upload, UploadPart,
};
use micro_storage::{
    file,
    memory::MemoryBlobs,
    records::{Key, Write},
};
use micro_store::PIECE;
use micro_tenancy::{Caller, Reports};
use micro_testkit::tenant;
use sha2::{Digest, Sha256};
use time::Duration;

use crate::world::{World, admin, wire};

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes of which no two pieces are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|n| (n as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

fn announce(key: &str, content: &[u8]) -> BeginUploadRequest {
    BeginUploadRequest {
        key: key.into(),
        bytes: content.len() as u64,
        sha256: digest(content),
        options: None,
    }
}

fn part(upload: &str, offset: u64, data: &[u8]) -> UploadPart {
    UploadPart {
        upload: upload.into(),
        options: None,
        offset,
        data: data.into(),
    }
}

fn broken() -> Error {
    Error::new(Kind::Unavailable, "net", "the connection broke")
}

impl World {
    async fn send(&self, caller: &Caller, upload: &str, offset: u64, data: &[u8]) -> Result<Upload, Error> {
        let first = part(upload, offset, &[]);
        let rest = data.chunks(100_000).map(|chunk| part("", 0, chunk));
        let parts: Vec<_> = std::iter::once(first).chain(rest).map(Ok).collect();
        Blobs::send(&self.store, caller, stream::iter(parts).boxed()).await
    }

    async fn finish(&self, caller: &Caller, upload: &str, sha256: &str) -> Result<Blob, Error> {
        let request = FinishUploadRequest {
            upload: upload.into(),
            options: None,
            sha256: sha256.into(),
        };
        Blobs::finish(&self.store, caller, request).await
    }

    async fn fetch(&self, caller: &Caller, key: &str, offset: u64, revision: &str) -> Result<(Blob, Vec<u8>), Error> {
        let request = FetchBlobRequest {
            key: key.into(),
            options: None,
            offset,
            revision: revision.into(),
        };
        let parts: Vec<_> = Blobs::fetch(&self.store, caller, request).await?.try_collect().await?;
        let blob = parts
            .first()
            .and_then(|first| first.blob.clone())
            .expect("it says what it is");
        Ok((blob, parts.into_iter().flat_map(|part| part.data).collect()))
    }

    async fn blobs_of(&self, caller: &Caller, prefix: &str, after: &str, limit: u64) -> ListBlobsResponse {
        let request = ListBlobsRequest {
            options: None,
            prefix: prefix.into(),
            after: after.into(),
            limit,
        };
        Blobs::list(&self.store, caller, request).await.expect("listed")
    }

    /// Bytes that count.
    async fn used(&self, namespace: &str) -> u64 {
        let used = self.store.usage(&tenant(namespace)).await.expect("counted");
        let of_blobs = used.iter().find(|used| used.limit.name == "blobs.bytes");
        of_blobs.expect("reported").used
    }

    /// Bytes that lie there.
    async fn lying(&self, namespace: &str) -> u64 {
        let tenant = tenant(namespace);
        let mut bytes = 0;
        for key in self.blobs.list(&tenant, "store/").await.expect("listed") {
            bytes += self.blobs.get(&tenant, &key).await.expect("read").expect("there").0;
        }
        bytes
    }

    /// The same storage under another process, which remembers nothing.
    fn restarted(&self) -> Self {
        let mut world = Self::on(self.records.clone(), self.blobs.clone(), self.limits);
        world.clock = self.clock.clone();
        world.store = Self::app(&world.records, &world.blobs, &world.clock, world.limits);
        world
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_it_stopped_even_after_a_restart() {
    let world = World::new();
    let ada = admin("ada-ns");
    let content = bytes(2 * PIECE + PIECE / 2);
    let begun = world.store.begin(&ada, announce("big", &content)).await.expect("begun");
    assert_eq!(begun.received, 0);

    let sent = content[..PIECE + 1_000].chunks(500_000);
    let parts = sent
        .map(|chunk| Ok(part(&begun.upload, 0, chunk)))
        .chain([Err(broken())]);
    let parts: Vec<_> = parts.collect();
    let refused = Blobs::send(&world.store, &ada, stream::iter(parts).boxed()).await;
    assert_eq!(refused.expect_err("broken").message(), "the connection broke");
    assert!(world.get_blob(&ada, "big").await.is_err(), "half a blob is none");

    let world = world.restarted();
    let again = world.store.begin(&ada, announce("big", &content)).await.expect("found");
    assert_eq!(
        (&again.upload, again.received),
        (&begun.upload, PIECE as u64),
        "a whole piece stayed"
    );
    let refused = world.send(&ada, &again.upload, 7, b"x").await.expect_err("not there");
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(refused.message().contains(&format!("has {PIECE} bytes")), "{refused}");
    let early = world.finish(&ada, &again.upload, "").await.expect_err("not all of it");
    assert_eq!(early.kind(), Kind::Conflict);
    let sent = world.send(&ada, &again.upload, again.received, &content[PIECE..]).await;
    assert_eq!(sent.expect("sent").received, content.len() as u64);
    let blob = world
        .finish(&ada, &again.upload, &digest(&content))
        .await
        .expect("whole");
    assert_eq!((blob.bytes, &blob.sha256), (content.len() as u64, &digest(&content)));
    assert_eq!(world.get_blob(&ada, "big").await.expect("read").concat(), content);
    assert_eq!(world.used("ada-ns").await, content.len() as u64);
    assert_eq!(world.lying("ada-ns").await, content.len() as u64, "and nothing else");
    assert!(world.blobs_of(&ada, "", "", 0).await.uploads.is_empty());
}

#[tokio::test]
async fn a_download_begins_anywhere_and_keeps_to_its_revision() {
    let world = World::new();
    let ada = admin("ada-ns");
    let content = bytes(PIECE + 300_000);
    world.put_blob(&ada, "k", &[&content]).await.expect("written");
    let (blob, all) = world.fetch(&ada, "k", 0, "").await.expect("read");
    assert_eq!((all == content, &blob.sha256), (true, &digest(&content)));
    for offset in [1, PIECE - 1, PIECE, PIECE + 1, content.len()] {
        let (_, rest) = world
            .fetch(&ada, "k", offset as u64, &blob.revision)
            .await
            .expect("read");
        assert!(rest == content[offset..], "from {offset}");
    }
    let behind = world
        .fetch(&ada, "k", content.len() as u64 + 1, "")
        .await
        .expect_err("nothing");
    assert_eq!(behind.kind(), Kind::Invalid);
    world.put_blob(&ada, "k", &[b"new"]).await.expect("replaced");
    let stale = world.fetch(&ada, "k", 5, &blob.revision).await.expect_err("replaced");
    assert_eq!(
        wire(&stale),
        (
            409,
            "store.Blobs.Fetch",
            "the blob was replaced meanwhile: read it from its beginning"
        )
    );
}

#[tokio::test]
async fn a_blob_that_is_read_while_it_is_replaced_comes_whole() {
    let world = World::new();
    let ada = admin("ada-ns");
    let content = bytes(2 * PIECE);
    world.put_blob(&ada, "k", &[&content]).await.expect("written");
    let request = FetchBlobRequest {
        key: "k".into(),
        ..Default::default()
    };
    let mut reader = Blobs::fetch(&world.store, &ada, request).await.expect("opened");
    reader.next().await.expect("a part").expect("its head");
    world.put_blob(&ada, "k", &[b"new"]).await.expect("replaced");
    assert_eq!(
        world.used("ada-ns").await,
        content.len() as u64 + 3,
        "what lies there counts"
    );
    let parts: Vec<_> = reader.try_collect().await.expect("whole");
    let read: Vec<u8> = parts.into_iter().flat_map(|part| part.data).collect();
    assert!(read == content);
    world.store.collect().await.expect("collected");
    assert_eq!((world.used("ada-ns").await, world.lying("ada-ns").await), (3, 3));
}

#[tokio::test]
async fn a_reader_whose_blob_another_replica_replaced_is_told_to_begin_again() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.put_blob(&ada, "k", &[&bytes(2 * PIECE)]).await.expect("written");
    let request = FetchBlobRequest {
        key: "k".into(),
        ..Default::default()
    };
    let mut reader = Blobs::fetch(&world.store, &ada, request).await.expect("opened");
    reader.next().await.expect("a part").expect("its head");
    world
        .restarted()
        .put_blob(&ada, "k", &[b"new"])
        .await
        .expect("replaced");
    let error = reader.try_for_each(|_| async { Ok(()) }).await.expect_err("it is gone");
    assert_eq!(
        wire(&error),
        (
            409,
            "store.Blobs.Fetch",
            "the blob was replaced meanwhile: read it from its beginning"
        )
    );
}

#[tokio::test]
async fn what_is_not_what_was_announced_never_gets_its_key() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.put_blob(&ada, "k", &[b"old"]).await.expect("written");
    let begun = world
        .store
        .begin(&ada, announce("k", b"new bytes"))
        .await
        .expect("begun");
    let longer = world
        .send(&ada, &begun.upload, 0, b"more than nine")
        .await
        .expect_err("longer");
    assert_eq!(longer.kind(), Kind::Invalid);
    world.send(&ada, &begun.upload, 0, b"bad bytes").await.expect("as many");
    let refused = world.finish(&ada, &begun.upload, "").await.expect_err("others");
    assert_eq!(refused.kind(), Kind::Invalid);
    assert!(refused.message().contains(&digest(b"bad bytes")), "{refused}");
    let gone = world.finish(&ada, &begun.upload, "").await.expect_err("given up");
    assert_eq!(gone.kind(), Kind::NotFound);
    assert_eq!(world.get_blob(&ada, "k").await.expect("the old one").concat(), b"old");
    assert_eq!((world.used("ada-ns").await, world.lying("ada-ns").await), (3, 3));
    let nonsense = BeginUploadRequest {
        sha256: "abc".into(),
        ..announce("k", b"x")
    };
    assert_eq!(
        world.store.begin(&ada, nonsense).await.expect_err("no digest").kind(),
        Kind::Invalid
    );
}

#[tokio::test]
async fn what_is_on_its_way_counts_and_is_given_back() {
    let world = World::with(Limits {
        blobs_bytes: Limit {
            name: "blobs.bytes",
            max: 100,
        },
        ..Limits::DEVELOPER
    });
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    let too_much = world
        .store
        .begin(&ada, announce("k", &[1; 101]))
        .await
        .expect_err("never fits");
    assert_eq!((too_much.kind(), too_much.id()), (Kind::TooLarge, "limits.blobs.bytes"));
    let one = world.store.begin(&ada, announce("one", &[1; 60])).await.expect("begun");
    let two = world.store.begin(&ada, announce("two", &[2; 60])).await.expect("begun");
    world.send(&ada, &one.upload, 0, &[1; 60]).await.expect("fits");
    let refused = world
        .send(&ada, &two.upload, 0, &[2; 60])
        .await
        .expect_err("both do not");
    assert_eq!(refused.id(), "limits.blobs.bytes");
    assert!(refused.message().contains("60 are in use"), "{refused}");
    world.send(&ada, &two.upload, 0, &[2; 40]).await.expect("just fits");
    assert_eq!(world.used("ada-ns").await, 100);
    world.send(&eve, &one.upload, 60, b"x").await.expect_err("not hers");
    let abandon = AbandonUploadRequest {
        upload: one.upload.clone(),
        options: None,
    };
    for _ in 0..2 {
        world
            .store
            .abandon(&ada, abandon.clone())
            .await
            .expect("may be repeated");
    }
    assert_eq!((world.used("ada-ns").await, world.lying("ada-ns").await), (40, 40));
    world.put_blob(&ada, "three", &[&[3; 60]]).await.expect("room again");
}

#[tokio::test]
async fn the_last_sender_may_and_the_one_before_is_told() {
    let world = World::new();
    let ada = admin("ada-ns");
    let content = bytes(PIECE + 10);
    let begun = world.store.begin(&ada, announce("k", &content)).await.expect("begun");
    // One that hangs before its piece is whole,
    let (first, rest) = content.split_at(PIECE - 1);
    let (open, opened) = futures::channel::mpsc::unbounded();
    open.unbounded_send(Ok(part(&begun.upload, 0, first))).expect("open");
    let store = world.store.clone();
    let sender = ada.clone();
    let hanging = tokio::spawn(async move { Blobs::send(&store, &sender, opened.boxed()).await });
    // known to have begun once it is a sender,
    while world
        .records_with("store_uploads")
        .await
        .iter()
        .all(|r| !contains(&r.value, b"\"sender\":1"))
    {
        tokio::task::yield_now().await;
    }
    // and another terminal, which goes on.
    let sent = world.send(&ada, &begun.upload, 0, &content).await.expect("taken up");
    assert_eq!(sent.received, content.len() as u64);
    open.unbounded_send(Ok(part("", 0, rest))).expect("open");
    let told = hanging.await.expect("no panic").expect_err("too late");
    assert_eq!(told.kind(), Kind::Conflict);
    world.finish(&ada, &begun.upload, "").await.expect("whole");
    assert!(world.get_blob(&ada, "k").await.expect("read").concat() == content);
    assert_eq!(world.lying("ada-ns").await, content.len() as u64, "no stray piece");
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn an_upload_that_nobody_ends_is_collected_a_day_later() {
    let world = World::new();
    let ada = admin("ada-ns");
    let begun = world
        .store
        .begin(&ada, announce("k", b"all of it"))
        .await
        .expect("begun");
    world.send(&ada, &begun.upload, 0, b"half").await.expect("sent");
    world.clock.advance(Duration::hours(23));
    world.store.collect().await.expect("collected");
    assert_eq!(world.used("ada-ns").await, 4, "it may still be taken up");
    let sent = world.restarted().send(&ada, &begun.upload, 4, b" of").await;
    assert_eq!(sent.expect("taken up").received, 7);
    world.clock.advance(Duration::hours(25));
    world.restarted().store.collect().await.expect("collected");
    assert_eq!((world.used("ada-ns").await, world.lying("ada-ns").await), (0, 0));
    let late = world.send(&ada, &begun.upload, 7, b"!!").await.expect_err("given up");
    assert_eq!(late.kind(), Kind::NotFound);
    world.store.collect().await.expect("collected");
    assert!(
        world.records_with("store_blobs_namespaces").await.is_empty(),
        "and forgotten"
    );
}

#[tokio::test]
async fn what_is_wrong_with_one_namespace_keeps_no_others_bytes() {
    let world = World::new();
    let ada = admin("ada-ns");
    let begun = world
        .store
        .begin(&ada, announce("k", b"forgotten"))
        .await
        .expect("begun");
    world.send(&ada, &begun.upload, 0, b"forgotten").await.expect("taken");
    let damaged = Write::put(Key::core("store_blobs_namespaces", "0"), "no namespace");
    world
        .records
        .write(&tenant("micro"), vec![damaged], world.clock.now())
        .await
        .expect("written");
    world.clock.advance(Duration::days(2));
    world.store.collect().await.expect("collected");
    assert_eq!(world.lying("ada-ns").await, 0);
}

#[tokio::test]
async fn micros_own_write_that_is_cut_off_leaves_nothing() {
    let world = World::new();
    let ada = admin("ada-ns");
    let first = crate::world::blob("k", &bytes(PIECE + 1));
    let endless = stream::iter([Ok(first)]).chain(stream::pending()).boxed();
    let mut write = Box::pin(BlobStore::write(&world.store, &ada, endless));
    while world.used("ada-ns").await == 0 {
        assert!((&mut write).now_or_never().is_none(), "it has no end");
        tokio::task::yield_now().await;
    }
    drop(write);
    while world.used("ada-ns").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.lying("ada-ns").await, 0);
}

#[tokio::test]
async fn blobs_are_listed_in_pages_with_what_is_under_way() {
    let world = World::new();
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    for key in ["a/1", "a/2", "a/3", "b"] {
        world.put_blob(&ada, key, &[key.as_bytes()]).await.expect("written");
    }
    world.put_blob(&eve, "a/9", &[b"eve's"]).await.expect("written");
    let begun = world.store.begin(&ada, announce("a/4", b"soon")).await.expect("begun");
    let first = world.blobs_of(&ada, "a/", "", 2).await;
    let keys = |listed: &ListBlobsResponse| listed.blobs.iter().map(|b| b.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&first), ["a/1", "a/2"]);
    assert_eq!((first.blobs[0].bytes, &first.blobs[0].sha256), (3, &digest(b"a/1")));
    assert_eq!(
        first.uploads.iter().map(|u| &u.upload).collect::<Vec<_>>(),
        [&begun.upload]
    );
    let second = world.blobs_of(&ada, "a/", "a/2", 2).await;
    assert_eq!((keys(&second), second.uploads.len()), (vec!["a/3".to_owned()], 0));
    let gone = BlobDeleteRequest {
        key: "a/1".into(),
        options: None,
    };
    BlobStore::delete(&world.store, &ada, gone).await.expect("gone");
    assert_eq!(keys(&world.blobs_of(&ada, "", "", 0).await), ["a/2", "a/3", "b"]);
}

#[tokio::test]
async fn no_more_than_a_hundred_uploads_are_under_way() {
    let world = World::new();
    let ada = admin("ada-ns");
    for n in 0..100 {
        let request = announce(&format!("k{n}"), b"x");
        world.store.begin(&ada, request).await.expect("one of a hundred");
    }
    let refused = world
        .store
        .begin(&ada, announce("k100", b"x"))
        .await
        .expect_err("one more");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooMany, "limits.store.uploads"));
    world
        .store
        .begin(&ada, announce("k7", b"x"))
        .await
        .expect("known already");
    world.put_blob(&ada, "plain", &[b"x"]).await.expect("those are others");
}

#[tokio::test]
async fn uploads_that_begin_at_once_are_no_more_than_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _log) = file::open(folder.path().join("store.redb")).expect("opens");
    let world = World::on(Arc::new(records), Arc::new(MemoryBlobs::default()), Limits::DEVELOPER);
    let ada = admin("ada-ns");
    let begin = |n: usize| world.store.begin(&ada, announce(&format!("k{}", n % 110), b"x"));
    let begun = futures::future::join_all((0..220).map(begin)).await;
    let mut all: Vec<_> = begun.into_iter().flatten().map(|upload| upload.upload).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 100, "and each that was announced twice once");
    assert_eq!(world.blobs_of(&ada, "", "", 0).await.uploads.len(), 100);
}
