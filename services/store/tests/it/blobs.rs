//! Blobs: streamed in and out, whole or not at all, within what a namespace may keep.

use futures::{FutureExt, StreamExt, stream};
use micro_domain::{Limit, Limits};
use micro_error::{Error, Kind};
use micro_proto::store::{BlobDeleteRequest, BlobStore};
use micro_tenancy::Metadata;
use micro_testkit::tenant;
use time::Duration;

use crate::world::{World, admin, blob, local_admin, wire};

fn small() -> World {
    World::with(Limits {
        blobs_bytes: Limit {
            name: "blobs.bytes",
            max: 100,
        },
        ..Limits::DEVELOPER
    })
}

async fn delete(world: &World, key: &str) {
    let request = BlobDeleteRequest {
        key: key.into(),
        options: None,
    };
    BlobStore::delete(&world.store, &admin("ada-ns"), request)
        .await
        .expect("gone");
}

/// How many pieces of bytes there are, named or not.
async fn pieces(world: &World) -> usize {
    world
        .blobs
        .list(&tenant("ada-ns"), "store/")
        .await
        .expect("listed")
        .len()
}

#[tokio::test]
async fn a_blob_comes_back_in_parts_that_old_clients_take() {
    let world = World::new();
    let ada = admin("ada-ns");
    let parts: Vec<Vec<u8>> = (0..300_u32).map(|n| vec![n as u8; 1_024]).collect();
    let sent: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    for key in ["photos/ada 1.png", "../../etc/passwd", "\u{1F980}"] {
        world.put_blob(&ada, key, &sent).await.expect("written");
        let back = world.get_blob(&ada, key).await.expect("read");
        assert!(
            back.iter().all(|part| part.len() <= 64 << 10) && back.len() <= 5,
            "neither big nor tiny"
        );
        assert_eq!(back.concat(), parts.concat());
    }
    world
        .put_blob(&ada, "photos/ada 1.png", &[b"new"])
        .await
        .expect("replaced");
    assert_eq!(world.get_blob(&ada, "photos/ada 1.png").await.expect("read"), [b"new"]);
    assert_eq!(pieces(&world).await, 3, "what was replaced is gone");
    for _ in 0..2 {
        delete(&world, "photos/ada 1.png").await;
    }
    let gone = world.get_blob(&ada, "photos/ada 1.png").await.expect_err("deleted");
    assert_eq!(wire(&gone), (404, "store.Blob.Read", "Blob not found"));
    assert_eq!(pieces(&world).await, 2);
}

#[tokio::test]
async fn what_is_no_blob_is_refused_in_micros_words() {
    let world = World::new();
    let ada = admin("ada-ns");
    for nothing in [&[][..], &[&b""[..], b""]] {
        let refused = world.put_blob(&ada, "k", nothing).await.expect_err("nothing");
        assert_eq!(wire(&refused), (400, "store.Blob.Write", "No blob was sent"));
    }
    let refused = world.put_blob(&ada, "", &[b"x"]).await.expect_err("no key");
    assert_eq!(wire(&refused), (400, "store.Blob.Write", "Missing key"));
    assert_eq!(
        world.get_blob(&ada, "").await.expect_err("no key").message(),
        "Missing key"
    );
    assert_eq!(pieces(&world).await, 0);
}

#[tokio::test]
async fn a_namespace_keeps_no_more_than_it_may() {
    let world = small();
    let ada = admin("ada-ns");
    world.put_blob(&ada, "a", &[&[1; 60]]).await.expect("fits");
    world
        .put_blob(&ada, "a", &[&[2; 90]])
        .await
        .expect("replaces what it counts in place of");
    let refused = world.put_blob(&ada, "b", &[&[3; 11]]).await.expect_err("too much");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooLarge, "limits.blobs.bytes"));
    assert!(
        refused.message().contains("100 bytes") && refused.message().contains("90 are in use"),
        "{refused}"
    );
    assert!(world.put_blob(&ada, "a", &[&[3; 101]]).await.is_err());
    assert_eq!(world.get_blob(&ada, "a").await.expect("the old one").concat(), [2; 90]);
    world.put_blob(&ada, "b", &[&[3; 10]]).await.expect("just fits");
    world
        .put_blob(&admin("eve-ns"), "b", &[&[4; 100]])
        .await
        .expect("everybody has their own");
    delete(&world, "a").await;
    world.put_blob(&ada, "c", &[&[5; 90]]).await.expect("room again");
    assert_eq!(pieces(&world).await, 2);
}

#[tokio::test]
async fn a_sender_that_fails_changes_nothing() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.put_blob(&ada, "k", &[b"old"]).await.expect("written");
    let broken = Error::new(Kind::Unavailable, "net", "the connection broke");
    let sent = stream::iter([Ok(blob("k", b"half")), Err(broken)]).boxed();
    let refused = BlobStore::write(&world.store, &ada, sent).await.expect_err("broken");
    assert_eq!(refused.message(), "the connection broke");
    assert_eq!(world.get_blob(&ada, "k").await.expect("read").concat(), b"old");
    assert_eq!(pieces(&world).await, 1);
}

#[tokio::test]
async fn what_a_crash_leaves_is_collected() {
    let world = World::new();
    let (ada, ada_ns) = (admin("ada-ns"), tenant("ada-ns"));
    let endless = stream::iter([Ok(blob("k", b"half"))]).chain(stream::pending()).boxed();
    let mut write = BlobStore::write(&world.store, &ada, endless);
    assert!((&mut write).now_or_never().is_none(), "it has no end");
    // The process ends: nothing of it is dropped in order.
    std::mem::forget(write);
    let left = world.records_with("store_uploads").await;
    let id = left.first().expect("noted before the first byte").key.clone();
    // It may have ended behind the bytes and before they were counted.
    let bytes = stream::iter([Ok(b"whole".as_slice().into())]).boxed();
    let place = format!("store/{id}.0.1");
    world.blobs.put(&ada_ns, &place, bytes, 9).await.expect("put");

    world.put_blob(&ada, "other", &[b"x"]).await.expect("written");
    world.store.collect().await.expect("collected");
    assert_eq!(pieces(&world).await, 2, "it may still be at work");
    world.clock.advance(Duration::hours(2));
    world.store.collect().await.expect("collected");
    assert!(world.records_with("store_uploads").await.is_empty());
    assert_eq!(pieces(&world).await, 1);
}

#[tokio::test]
async fn a_header_names_a_namespace_for_a_local_administrator_only() {
    let world = World::new();
    let named = |name: &str| Metadata::from([("micro-namespace".to_owned(), name.to_owned())]);
    let local = local_admin().with_metadata(named("ada-ns"));
    world.put_blob(&local, "k", &[b"local"]).await.expect("written");
    let ada = admin("ada-ns").with_metadata(named("eve-ns"));
    assert_eq!(world.get_blob(&ada, "k").await.expect("her own").concat(), b"local");
    let eve = admin("eve-ns").with_metadata(named("ada-ns"));
    assert_eq!(
        world.get_blob(&eve, "k").await.expect_err("not hers").kind(),
        Kind::NotFound
    );
}
