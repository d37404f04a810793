//! What Blobs promises, in memory and in a folder.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use micro_storage::{
    StoreError,
    blobs::{Blobs, ByteStream},
};
use micro_testkit::tenant;

macro_rules! on_every_back_end {
    ($($sentence:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&crate::backends::memory_blobs()).await;
            })*
        }
        mod folder {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&crate::backends::folder_blobs().1).await;
            })*
        }
    };
}

on_every_back_end! {
    a_blob_is_read_back_replaced_and_deleted
    a_big_one_is_streamed
    too_much_is_refused_while_it_arrives_and_leaves_nothing
    a_body_that_breaks_off_leaves_what_was_there
    keys_are_listed_by_prefix_within_a_namespace
    a_key_cannot_leave_its_namespace
    a_namespaces_blobs_are_erased_and_no_others
}

const MANY: u64 = 1 << 30;

fn body(parts: &[&'static [u8]]) -> ByteStream<'static> {
    stream::iter(
        parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part)))
            .collect::<Vec<_>>(),
    )
    .boxed()
}

async fn get(blobs: &impl Blobs, key: &str) -> Option<Vec<u8>> {
    let (size, bytes) = blobs.get(&tenant("ada"), key).await.expect("reads")?;
    let parts: Vec<Bytes> = bytes.try_collect().await.expect("streams");
    assert_eq!(parts.iter().map(|part| part.len() as u64).sum::<u64>(), size);
    Some(parts.concat())
}

async fn a_blob_is_read_back_replaced_and_deleted(blobs: &impl Blobs) {
    let ada = tenant("ada");
    assert_eq!(get(blobs, "a/b").await, None);
    assert!(!blobs.delete(&ada, "a/b").await.expect("nothing there"));
    assert_eq!(
        blobs
            .put(&ada, "a/b", body(&[b"one", b" two"]), 7)
            .await
            .expect("fits exactly"),
        7
    );
    assert_eq!(get(blobs, "a/b").await.expect("there"), b"one two");
    blobs.put(&ada, "a/b", body(&[]), MANY).await.expect("empty");
    assert_eq!(get(blobs, "a/b").await.expect("there"), b"");
    assert!(blobs.delete(&ada, "a/b").await.expect("was there"));
    assert_eq!(get(blobs, "a/b").await, None);
}

async fn a_big_one_is_streamed(blobs: &impl Blobs) {
    let parts: Vec<Bytes> = (0..13).map(|n| Bytes::from(vec![n; 1 << 20])).collect();
    let stream = stream::iter(parts.clone().into_iter().map(Ok)).boxed();
    assert_eq!(
        blobs
            .put(&tenant("ada"), "big", stream, 13 << 20)
            .await
            .expect("fits exactly"),
        13 << 20
    );
    assert!(get(blobs, "big").await.expect("there") == parts.concat());
}

async fn too_much_is_refused_while_it_arrives_and_leaves_nothing(blobs: &impl Blobs) {
    let ada = tenant("ada");
    for size in [1_usize << 10, 7 << 20] {
        let endless = stream::repeat_with(|| Ok(Bytes::from(vec![0; 100_000]))).boxed();
        let refused = blobs.put(&ada, "k", endless, size as u64).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
        assert_eq!(get(blobs, "k").await, None);
        assert!(blobs.list(&ada, "").await.expect("lists").is_empty());
    }
}

async fn a_body_that_breaks_off_leaves_what_was_there(blobs: &impl Blobs) {
    let ada = tenant("ada");
    blobs.put(&ada, "k", body(&[b"old"]), MANY).await.expect("puts");
    for before in [1_usize, 8] {
        let parts = std::iter::repeat_n(Bytes::from(vec![0; 1 << 20]), before).map(Ok);
        let breaks = [Err(StoreError::Failed("the sender is gone".into()))];
        let broken = stream::iter(parts.chain(breaks).collect::<Vec<_>>()).boxed();
        assert!(matches!(
            blobs.put(&ada, "k", broken, MANY).await,
            Err(StoreError::Failed(_))
        ));
        assert_eq!(get(blobs, "k").await.expect("there"), b"old");
    }
}

async fn keys_are_listed_by_prefix_within_a_namespace(blobs: &impl Blobs) {
    for key in ["a/1", "a/2/3", "ab", "b", "sha256:00ff"] {
        blobs.put(&tenant("ada"), key, body(&[b"x"]), MANY).await.expect("puts");
    }
    blobs
        .put(&tenant("bob"), "a/his", body(&[b"x"]), MANY)
        .await
        .expect("puts");
    let list = |prefix: &'static str| async move { blobs.list(&tenant("ada"), prefix).await.expect("lists") };
    assert_eq!(list("").await, ["a/1", "a/2/3", "ab", "b", "sha256:00ff"]);
    assert_eq!(list("a").await, ["a/1", "a/2/3", "ab"]);
    assert_eq!(list("a/").await, ["a/1", "a/2/3"]);
    assert_eq!(list("sha256:").await, ["sha256:00ff"]);
    assert!(blobs.list(&tenant("eve"), "").await.expect("lists").is_empty());
}

async fn a_key_cannot_leave_its_namespace(blobs: &impl Blobs) {
    let ada = tenant("ada");
    let theirs = format!("../{}/k", tenant("bob").id());
    let bad = [
        "", "/k", "k/", "a//b", "..", "a/../b", "./k", "a\0b", "a b", "%2e%2e/k", "k#1", "ключ", &theirs,
    ];
    for key in bad {
        let refused = |error: &StoreError| matches!(error, StoreError::Invalid(_));
        assert!(
            blobs
                .put(&ada, key, body(&[b"x"]), MANY)
                .await
                .as_ref()
                .is_err_and(refused),
            "{key:?}"
        );
        assert!(
            blobs.get(&ada, key).await.as_ref().err().is_some_and(refused),
            "{key:?}"
        );
        assert!(blobs.delete(&ada, key).await.as_ref().is_err_and(refused), "{key:?}");
    }
}

async fn a_namespaces_blobs_are_erased_and_no_others(blobs: &impl Blobs) {
    let (ada, bob) = (tenant("ada"), tenant("bob"));
    blobs.erase(&ada).await.expect("nothing to erase");
    for key in ["a", "b/c", "b/d/e"] {
        blobs.put(&ada, key, body(&[b"x"]), MANY).await.expect("puts");
    }
    blobs.put(&bob, "a", body(&[b"his"]), MANY).await.expect("puts");
    blobs.erase(&ada).await.expect("erases");
    assert!(blobs.list(&ada, "").await.expect("lists").is_empty());
    assert_eq!(get(blobs, "b/c").await, None);
    assert_eq!(blobs.list(&bob, "").await.expect("lists"), ["a"]);
}
