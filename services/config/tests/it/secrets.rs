//! Secrets: sealed where they lie, masked unless asked for, readable under the keys that are given.

use micro_config::KeyRing;
use micro_proto::config::{Config, ReadRequest};
use micro_testkit::tenant;
use secrecy::{ExposeSecret, SecretString};

use crate::world::{World, admin, get_in, set_in, wire};

const CANARY: &str = "canary-hunter2";

fn both(first: &SecretString, second: &SecretString) -> SecretString {
    format!("{}, {}", first.expose_secret(), second.expose_secret()).into()
}

/// The tour of seed 3.
#[tokio::test]
async fn a_secret_is_masked_unless_it_is_asked_for() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.set(&ada, "helloworld.somekey", "\"hello\"").await.expect("set");
    world
        .set_secret(&ada, "helloworld.hushkey", "\"Very secret stuff\"")
        .await
        .expect("set");
    world
        .set_secret(&ada, "helloworld.hush_number_key", "42")
        .await
        .expect("set");
    world
        .set_secret(&ada, "deep", r#"{"a":{"b":"x"},"l":[1,"y"]}"#)
        .await
        .expect("each leaf is sealed");
    let masked = r#"{"hush_number_key":"[secret]","hushkey":"[secret]","somekey":"hello"}"#;
    assert_eq!(world.get(&ada, "helloworld").await.expect("read"), masked);
    assert_eq!(
        world.get(&ada, "helloworld.hushkey").await.expect("read"),
        "\"[secret]\""
    );
    let shown = r#"{"hush_number_key":42,"hushkey":"Very secret stuff","somekey":"hello"}"#;
    assert_eq!(world.get_secret(&ada, "helloworld").await.expect("read"), shown);
    assert_eq!(
        world
            .get_secret(&ada, "helloworld.hush_number_key")
            .await
            .expect("read"),
        "42"
    );
    assert_eq!(
        world.get(&ada, "deep").await.expect("read"),
        r#"{"a":{"b":"[secret]"},"l":"[secret]"}"#
    );
    assert_eq!(world.get_secret(&ada, "deep.l.1").await.expect("read"), "\"y\"");
    for inside in ["deep.l.1", "deep.l.7", "deep.a.b.c"] {
        assert_eq!(
            world.get(&ada, inside).await.expect("read"),
            "\"[secret]\"",
            "not even whether it is there"
        );
    }
    let request = ReadRequest {
        namespace: String::new(),
        path: "helloworld".into(),
    };
    let old = world.config.read(&ada, request).await.expect("read");
    assert_eq!(old.change.and_then(|c| c.change_set).expect("a set").data, masked);

    world
        .set(&ada, "helloworld.hushkey", "\"open\"")
        .await
        .expect("set without the flag");
    assert_eq!(world.get(&ada, "helloworld.hushkey").await.expect("read"), "\"open\"");
}

#[tokio::test]
async fn a_secret_stands_nowhere_in_the_clear() {
    let world = World::new();
    let ada = admin("ada-ns");
    let request = set_in("", "db.password", &format!("{{\"now\":\"{CANARY}\"}}"), true);
    assert!(!format!("{request:?}").contains(CANARY), "a request that is logged");
    world.config.set(&ada, request).await.expect("set");
    let stored = world.stored("ada-ns").await;
    assert!(stored.contains("password") && !stored.contains(CANARY), "{stored}");
    world
        .set_secret(&ada, "other", &format!("\"{CANARY}\""))
        .await
        .expect("set");
    world
        .set_secret(&ada, "again", &format!("\"{CANARY}\""))
        .await
        .expect("set");
    let stored: serde_json::Value = serde_json::from_str(&world.stored("ada-ns").await).expect("JSON");
    assert_ne!(stored["other"], stored["again"], "equal secrets do not look equal");
    let answer = world.config.get(&ada, get_in("", "db", true)).await.expect("read");
    assert!(!format!("{answer:?}").contains(CANARY), "an answer that is logged");
    assert!(answer.value.expect("a value").data.contains(CANARY));

    let lost = world.restarted_with(&KeyRing::generate());
    let refused = lost.get_secret(&ada, "db").await.expect_err("no key");
    assert!(!format!("{refused:?}").contains(CANARY));
}

#[tokio::test]
async fn a_key_that_is_gone_is_named_and_everything_else_goes_on() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.set_secret(&ada, "a", "1").await.expect("set");
    let restarted = world.restarted_with(&KeyRing::generate());
    let refused = restarted.get_secret(&ada, "a").await.expect_err("no key");
    let (status, id, words) = wire(&refused);
    assert_eq!((status, id), (500, "config.Config.Get"));
    assert!(
        words.starts_with("Can't decode secret: this server has no key "),
        "{words}"
    );
    assert!(
        restarted.config.rotate(&tenant("ada-ns")).await.is_err(),
        "told, not dropped"
    );
    assert_eq!(restarted.get(&ada, "a").await.expect("masked"), "\"[secret]\"");
    restarted.set_secret(&ada, "a", "2").await.expect("set again");
    assert_eq!(restarted.get_secret(&ada, "a").await.expect("read"), "2");
}

#[tokio::test]
async fn rotation_seals_anew_and_lets_the_old_key_go() {
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let world = World::new().restarted_with(&old);
    let (ada, ada_ns) = (admin("ada-ns"), tenant("ada-ns"));
    assert_eq!(world.config.rotate(&ada_ns).await.expect("nothing there"), 0);
    world.set(&ada, "plain", "1").await.expect("set");
    world.set_secret(&ada, "a", r#"{"b":"x","c":[2]}"#).await.expect("set");

    let between = world.restarted_with(&both(&new, &old));
    assert_eq!(
        between.get_secret(&ada, "a").await.expect("still opens"),
        r#"{"b":"x","c":[2]}"#
    );
    between
        .set_secret(&ada, "d", "3")
        .await
        .expect("sealed with the new key");
    assert_eq!(between.config.rotate(&ada_ns).await.expect("rotated"), 2);
    assert_eq!(between.config.rotate(&ada_ns).await.expect("again"), 0);

    let after = between.restarted_with(&new);
    assert_eq!(
        after.get_secret(&ada, "").await.expect("reads"),
        r#"{"a":{"b":"x","c":[2]},"d":3,"plain":1}"#
    );
    assert!(
        world.get_secret(&ada, "a").await.is_err(),
        "the old key opens nothing any more"
    );
}
