//! What is old or too much goes.

use micro_domain::{Limit, Limits};
use micro_events::RETENTION;
use time::Duration;

use crate::world::{World, from_the_start, owner, text};

#[tokio::test]
async fn what_is_too_old_goes_in_every_namespace_and_numbers_go_on() {
    let world = World::new();
    let callers = [owner("ada-ns"), owner("bobs-ns")];
    for caller in &callers {
        world.publish(caller, "t", "old").await.expect("own");
    }
    world.clock.advance(RETENTION - Duration::HOUR);
    for caller in &callers {
        world.publish(caller, "t", "new").await.expect("own");
    }
    world.clock.advance(Duration::HOUR * 2);
    world.another().events.sweep().await.expect("swept");
    for caller in &callers {
        let kept = world.read(caller, "t").await;
        assert_eq!(
            kept.iter().map(|e| (text(e), e.number)).collect::<Vec<_>>(),
            [("new".to_owned(), 1)]
        );
    }
    let mut consumer = world.consume(&callers[0], from_the_start("t", "g")).await.expect("own");
    assert_eq!(consumer.text().await, "new", "what is gone is passed over");
}

#[tokio::test]
async fn a_topic_keeps_at_least_its_limit_and_not_much_more() {
    let limits = Limits {
        topic_bytes: Limit {
            name: "topic.bytes",
            max: 64_000,
        },
        ..Limits::DEVELOPER
    };
    let (world, ada) = (World::with(limits), owner("ada-ns"));
    let payload = "x".repeat(500);
    for _ in 0..400 {
        world.publish(&ada, "t", &payload).await.expect("own");
    }
    let kept = world.read(&ada, "t").await;
    let bytes = kept.len() * payload.len();
    assert_eq!(kept.last().expect("the newest").number, 399);
    assert!(
        (58_000..80_000).contains(&bytes),
        "{bytes} bytes in {} events",
        kept.len()
    );
}
