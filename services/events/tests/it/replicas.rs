//! Several servers on one storage are one.

use std::{collections::BTreeSet, time::Duration};

use time::Duration as Span;

use crate::world::{World, acknowledging, from_the_start, owner};

const LONG: Duration = Duration::from_secs(60 * 60);

#[tokio::test(start_paused = true)]
async fn what_one_publishes_the_other_delivers() {
    let (one, ada) = (World::replica(), owner("ada-ns"));
    let two = one.another();
    let mut consumer = two.consume(&ada, from_the_start("t", "")).await.expect("own");
    one.publish(&ada, "t", "a").await.expect("own");
    assert_eq!(consumer.text().await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_group_with_members_on_both_gets_each_event_once_and_goes_on_when_one_leaves() {
    let (one, ada) = (World::replica(), owner("ada-ns"));
    let two = one.another();
    let mut here = one
        .consume(&ada, acknowledging("t", "g", 60_000, -1))
        .await
        .expect("own");
    let mut there = two
        .consume(&ada, acknowledging("t", "g", 60_000, -1))
        .await
        .expect("own");
    let mut got = BTreeSet::new();
    for n in 0..20 {
        one.publish(&ada, "t", &n.to_string()).await.expect("own");
        let payload = tokio::select! {
            payload = here.done() => payload,
            payload = there.done() => payload,
        };
        assert!(got.insert(payload), "once");
    }
    assert!(here.is_quiet(LONG).await && there.is_quiet(LONG).await);
    drop(here);
    one.publish(&ada, "t", "after").await.expect("own");
    assert_eq!(there.done().await, "after");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_died_is_replaced_and_can_no_longer_speak_for_the_group() {
    let (dies, ada) = (World::replica(), owner("ada-ns"));
    dies.publish_all(&ada, "t", &["a", "b", "c"]).await;
    let mut before = dies
        .consume(&ada, acknowledging("t", "g", 3_600_000, -1))
        .await
        .expect("own");
    assert_eq!(before.done().await, "a");
    let held = before.next().await;
    let lives = dies.another();
    let mut after = lives
        .consume(&ada, acknowledging("t", "g", 3_600_000, -1))
        .await
        .expect("own");
    assert!(
        after.is_quiet(Duration::from_secs(600)).await,
        "the first one lives, and serves the group"
    );
    dies.clock.advance(Span::seconds(5));
    assert!(after.is_quiet(Duration::from_secs(600)).await, "it may be slow");
    dies.clock.advance(Span::seconds(1));
    let again = after.next().await;
    assert_eq!(again.id, held.id, "it was not acknowledged");
    before.acknowledge(&held.id, true);
    assert!(
        before.is_quiet(Duration::from_secs(600)).await,
        "the group is another's"
    );
    after.acknowledge(&again.id, true);
    assert_eq!(after.done().await, "c");
}
