//! Many records: by prefix and suffix, in either order, in parts.

use micro_error::Kind;
use micro_proto::store::{ListOptions, ReadOptions, ReadRequest, Store};

use crate::world::{World, admin, wire, write};

/// What each search is compared with: every key filtered, ordered, cut.
fn naive(keys: &[String], options: &ListOptions) -> Vec<String> {
    let matching = |key: &&String| key.starts_with(&options.prefix) && key.ends_with(&options.suffix);
    let mut found: Vec<String> = keys.iter().filter(matching).cloned().collect();
    found.sort();
    if options.order == "desc" {
        found.reverse();
    }
    let limit = if options.limit == 0 {
        usize::MAX
    } else {
        options.limit as usize
    };
    found.into_iter().skip(options.offset as usize).take(limit).collect()
}

fn searches() -> Vec<ListOptions> {
    let mut all = Vec::new();
    for prefix in ["", "a/", "b/1", "é", "none"] {
        for suffix in ["", "7", "nope"] {
            for (limit, offset) in [(0, 0), (1, 0), (10, 5), (0, 1_100), (40, 31), (5, 9_999)] {
                for order in ["", "asc", "desc"] {
                    all.push(ListOptions {
                        prefix: prefix.into(),
                        suffix: suffix.into(),
                        limit,
                        offset,
                        order: order.into(),
                        ..Default::default()
                    });
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn lists_and_reads_find_what_a_naive_search_finds() {
    let world = World::new();
    let ada = admin("ada-ns");
    let mut keys: Vec<String> = (0..1_300).map(|n| format!("a/{n:04}")).collect();
    keys.extend((0..150).map(|n| format!("b/{n}")));
    keys.extend(["é7".to_owned(), "a".to_owned(), "a0".to_owned()]);
    for key in &keys {
        world.put(&ada, key, &format!("value of {key}")).await;
    }
    for options in searches() {
        let expected = naive(&keys, &options);
        let listed = world.list(&ada, options.clone()).await.expect("listed");
        assert!(!listed.is_empty() && listed.iter().all(|message| message.len() <= 1_000));
        assert_eq!(listed.concat(), expected, "{options:?}");
    }
    let read = |key: &str, prefix, suffix, limit, offset| ReadRequest {
        key: key.into(),
        options: Some(ReadOptions {
            prefix,
            suffix,
            limit,
            offset,
            order: "desc".into(),
            ..Default::default()
        }),
    };
    let keys_of = |request| async {
        let found = world.store.read(&ada, request).await.expect("read").records;
        assert!(
            found
                .iter()
                .all(|r| r.value == format!("value of {}", r.key).as_bytes())
        );
        found.into_iter().map(|r| r.key).collect::<Vec<_>>()
    };
    assert_eq!(keys_of(read("b/", true, false, 2, 1)).await, ["b/98", "b/97"]);
    assert_eq!(keys_of(read("7", false, true, 2, 0)).await, ["é7", "b/97"]);
    assert_eq!(keys_of(read("a", true, true, 0, 0)).await, ["a"]);
    assert!(
        keys_of(read("none", true, false, 0, 0)).await.is_empty(),
        "no match is no error"
    );
}

#[tokio::test]
async fn an_unknown_order_is_refused() {
    let world = World::new();
    let options = ListOptions {
        order: "up".into(),
        ..Default::default()
    };
    let refused = world.list(&admin("ada-ns"), options).await.expect_err("no order");
    assert_eq!(wire(&refused), (400, "store.Store.List", "an order is asc or desc"));
}

#[tokio::test]
async fn an_answer_never_outgrows_a_message() {
    let world = World::new();
    let ada = admin("ada-ns");
    for n in 0..13 {
        let request = write(&format!("k{n:02}"), &vec![7; 1 << 20]);
        world.store.write(&ada, request).await.expect("written");
    }
    let read = |limit| ReadRequest {
        key: "k".into(),
        options: Some(ReadOptions {
            prefix: true,
            limit,
            ..Default::default()
        }),
    };
    let refused = world.store.read(&ada, read(0)).await.expect_err("13 MiB");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooLarge, "store.Store.Read"));
    assert!(refused.message().contains("limit and offset"), "{refused}");
    assert_eq!(
        world.store.read(&ada, read(11)).await.expect("11 MiB").records.len(),
        11
    );
    assert_eq!(
        world
            .list(&ada, Default::default())
            .await
            .expect("keys only")
            .concat()
            .len(),
        13
    );
}
