//! Setting, getting and deleting by path.

use std::sync::Arc;

use micro_proto::config::{Config, ReadRequest, SetRequest};

use crate::world::{World, admin, delete_in, set_in, wire};

/// The tour of the reference (§2.6) and its recorded exchanges.
#[tokio::test]
async fn values_come_and_go_as_in_micro() {
    let world = World::new();
    let ada = admin("ada-ns");
    let get = |path: &'static str| async { world.get(&ada, path).await.expect("known") };
    let unset = world.get(&ada, "a").await.expect_err("nothing yet");
    assert_eq!(wire(&unset), (404, "config.Config.Get", "Not found"));
    let unset = world.delete(&ada, "a").await.expect_err("nothing yet");
    assert_eq!(wire(&unset), (404, "config.Config.Delete", "Not found"));

    world.set(&ada, "a", "1").await.expect("set");
    world.set(&ada, "x.y", "\"hello\"").await.expect("set");
    world
        .set(&ada, "x.z", r#"{"b":true,"l":[1,2],"n":1}"#)
        .await
        .expect("set");
    assert_eq!(get("a").await, "1");
    assert_eq!(get("x").await, r#"{"y":"hello","z":{"b":true,"l":[1,2],"n":1}}"#);
    assert_eq!(get("x.z.l").await, "[1,2]");
    assert_eq!(get("x.z.l.1").await, "2");
    assert_eq!(get("x.nothing").await, "null");
    assert_eq!(
        get("").await,
        r#"{"a":1,"x":{"y":"hello","z":{"b":true,"l":[1,2],"n":1}}}"#
    );
    world.delete(&ada, "x.y").await.expect("gone");
    world.delete(&ada, "x.y").await.expect("again");
    assert_eq!(get("x").await, r#"{"z":{"b":true,"l":[1,2],"n":1}}"#);

    let request = ReadRequest {
        namespace: "ada-ns".into(),
        path: "x.z.n".into(),
    };
    let change = world
        .config
        .read(&ada, request)
        .await
        .expect("read")
        .change
        .expect("a change");
    let set = change.change_set.expect("a set");
    assert_eq!((change.namespace.as_str(), change.path.as_str()), ("ada-ns", "x.z.n"));
    assert_eq!((set.data.as_str(), set.format.as_str()), ("1", "json"));

    world
        .set(&ada, "", r#"{"a":{"b":2}}"#)
        .await
        .expect("merged at the root");
    assert_eq!(get("a").await, r#"{"b":2}"#);
    world.delete(&ada, "").await.expect("all of it");
    assert_eq!(world.get(&ada, "").await.expect_err("gone").kind().status(), 404);
}

#[tokio::test]
async fn what_is_no_change_is_refused_in_words() {
    let world = World::new();
    let ada = admin("ada-ns");
    let none = world
        .config
        .set(&ada, SetRequest::default())
        .await
        .expect_err("no value");
    assert_eq!(wire(&none), (400, "config.Config.Update", "invalid change"));
    for (path, json, words) in [
        ("a", "{", "Request is invalid JSON: "),
        ("a", "canary", "Request is invalid JSON: "),
        ("a..b", "1", "a path is made of names"),
        (".a", "1", "a path is made of names"),
        ("", "1", "a value without a path must be a JSON object"),
        (&vec!["a"; 33].join("."), "1", "a value lies at most 32 names deep"),
    ] {
        let refused = world.set(&ada, path, json).await.expect_err("refused");
        assert_eq!(
            (refused.kind().status(), refused.id()),
            (400, "config.Config.Set"),
            "{path}"
        );
        assert!(
            refused.message().starts_with(words) && !refused.message().contains("canary"),
            "{refused}"
        );
    }
    world.set(&ada, "l", "[1]").await.expect("set");
    for refused in [world.set(&ada, "l.0", "2").await, world.delete(&ada, "l.0").await] {
        assert_eq!(
            refused.expect_err("an array").message(),
            "l is an array: set or delete it whole"
        );
    }
    assert_eq!(world.get(&ada, "").await.expect("as before"), r#"{"l":[1]}"#);
}

#[tokio::test]
async fn changes_at_once_are_all_made() {
    let world = Arc::new(World::new());
    let changes = (0..50).map(|n| {
        let world = world.clone();
        tokio::spawn(async move { world.set(&admin("ada-ns"), &format!("k{n:02}.v"), &n.to_string()).await })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.expect("no panic").expect("set");
    }
    let all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&world.get(&admin("ada-ns"), "").await.expect("set")).expect("JSON");
    assert_eq!(all.len(), 50);
}

#[tokio::test]
async fn an_empty_namespace_is_ones_own() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.config.set(&ada, set_in("", "a", "1", false)).await.expect("set");
    world
        .config
        .set(&ada, set_in("ada-ns", "b", "2", false))
        .await
        .expect("set");
    assert_eq!(world.get(&ada, "").await.expect("both"), r#"{"a":1,"b":2}"#);
    world.config.delete(&ada, delete_in("ada-ns", "a")).await.expect("gone");
    assert_eq!(world.get(&ada, "").await.expect("one"), r#"{"b":2}"#);
}
