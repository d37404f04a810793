//! Events that a group gave up on.

use std::time::Duration;

use micro_proto::events::{DeadLettersRequest, Groups, ReplayRequest};

use crate::world::{World, acknowledging, owner, text};

const LONG: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_tried_up_to_its_limit_before_the_group_goes_on() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 1_000, 2))
        .await
        .expect("own");
    for _ in 0..3 {
        assert_eq!(worker.refuse().await, "a");
    }
    assert_eq!(worker.done().await, "b");
    let [letter] = &world.dead_letters(&ada, "t", "g").await[..] else {
        panic!("one")
    };
    let event = letter.event.as_ref().expect("kept whole");
    assert_eq!((text(event).as_str(), event.number, letter.attempts), ("a", 0, 3));
    assert!(world.dead_letters(&ada, "t", "other").await.is_empty());
    assert!(world.dead_letters(&owner("bobs-ns"), "t", "g").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nothing_gives_up_at_once() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 1_000, 0))
        .await
        .expect("own");
    assert_eq!(
        (worker.refuse().await.as_str(), worker.done().await.as_str()),
        ("a", "b")
    );
}

#[tokio::test(start_paused = true)]
async fn letters_are_replayed_by_number_before_what_is_next_and_kept_when_refused_again() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b", "c"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 1_000, 0))
        .await
        .expect("own");
    for payload in ["a", "b", "c"] {
        assert_eq!(worker.refuse().await, payload);
    }
    assert!(worker.is_quiet(LONG).await);
    let replay = |numbers: &[u64]| ReplayRequest {
        topic: "t".into(),
        group: "g".into(),
        numbers: numbers.into(),
    };
    let replayed = world.events.replay(&ada, replay(&[1, 77])).await.expect("own").replayed;
    assert_eq!((replayed, worker.done().await.as_str()), (1, "b"));
    assert_eq!(world.events.replay(&ada, replay(&[])).await.expect("own").replayed, 2);
    assert_eq!(worker.refuse().await, "a");
    assert_eq!(worker.done().await, "c");
    assert!(worker.is_quiet(LONG).await);
    let letters = world.dead_letters(&ada, "t", "g").await;
    let [letter] = &letters[..] else {
        panic!("one, not {letters:?}")
    };
    assert_eq!(
        (letter.number, text(letter.event.as_ref().expect("whole"))),
        (3, "a".into())
    );
}

#[tokio::test(start_paused = true)]
async fn letters_wait_for_a_member_and_are_paged() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 1_000, 0))
        .await
        .expect("own");
    for n in 0..25 {
        world.publish(&ada, "t", &n.to_string()).await.expect("own");
        assert_eq!(worker.refuse().await, n.to_string());
    }
    assert!(worker.is_quiet(LONG).await);
    drop(worker);
    let page = |after| DeadLettersRequest {
        topic: "t".into(),
        group: "g".into(),
        limit: 20,
        after,
    };
    let first = world.events.dead_letters(&ada, page(None)).await.expect("own").letters;
    let second = world
        .events
        .dead_letters(&ada, page(Some(first[19].number)))
        .await
        .expect("own")
        .letters;
    assert_eq!((first.len(), second.len()), (20, 5));
    let all = ReplayRequest {
        topic: "t".into(),
        group: "g".into(),
        numbers: vec![],
    };
    assert_eq!(world.events.replay(&ada, all).await.expect("own").replayed, 25);
    let restarted = world.another();
    let mut worker = restarted
        .consume(&ada, acknowledging("t", "g", 1_000, 0))
        .await
        .expect("own");
    for n in 0..25 {
        assert_eq!(worker.done().await, n.to_string());
    }
}
