//! Any history of registrations, watched by a client that reads now and then, breaks off and comes back: once it has
//! read all, it knows what is registered.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt, StreamExt};
use micro_proto::registry::{ListRequest, Registry, Result as Event, WatchRequest};
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use proptest::prelude::*;
use time::Duration;

use crate::world::{World, greeter};

#[derive(Clone, Debug)]
enum Step {
    /// A node of a version registers, at one of two ports.
    Register(u8, u8, bool),
    /// A node of a version leaves.
    Deregister(u8, u8),
    /// A version's node moves to and fro, more often than a history goes back.
    Storm(u8),
    /// Leases run out, unless they are renewed.
    Wait(u16),
    /// The client reads so many events.
    Read(u8),
    /// The client comes back from where it was.
    BreakOff,
    /// The server does.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4u8, 0..3u8, any::<bool>()).prop_map(|(version, node, moved)| Step::Register(version, node, moved)),
        4 => (0..4u8, 0..3u8).prop_map(|(version, node)| Step::Deregister(version, node)),
        1 => (0..4u8).prop_map(Step::Storm),
        2 => (1..200u16).prop_map(Step::Wait),
        4 => (1..5u8).prop_map(Step::Read),
        2 => Just(Step::BreakOff),
        1 => Just(Step::Restart),
    ]
}

/// What is there: nodes by version.
type Known = BTreeMap<String, BTreeSet<String>>;

/// A client that does as the proto file tells it to.
struct Client {
    events: Streaming<Event>,
    known: Known,
    revision: String,
    seen: BTreeMap<String, Event>,
}

impl Client {
    async fn watch(world: &World, caller: &Caller, revision: &str) -> Streaming<Event> {
        let request = WatchRequest {
            revision: revision.into(),
            ..Default::default()
        };
        world.registry.watch(caller, request).await.expect("own")
    }

    async fn come_back(&mut self, world: &World, caller: &Caller) {
        self.events = Self::watch(world, caller, &self.revision).await;
    }

    fn read(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.events.next().now_or_never() else {
                return;
            };
            self.hear(event.expect("it goes on").expect("no error"));
        }
    }

    fn hear(&mut self, event: Event) {
        if !event.revision.is_empty() {
            self.revision.clone_from(&event.revision);
            // The same change has the same revision, and no other has.
            let before = self.seen.insert(event.revision.clone(), event.clone());
            let version = |event: &Event| event.service.as_ref().map(|service| service.version.clone());
            assert!(before.is_none_or(|before| version(&before) == version(&event)));
        }
        let Some(service) = event.service else {
            assert_eq!(event.action, "resync");
            return self.known.clear();
        };
        let nodes = service.nodes.into_iter().map(|node| node.id).collect();
        match event.action.as_str() {
            "delete" => self.known.remove(&service.version),
            _ => self.known.insert(service.version, nodes),
        };
    }
}

async fn registered(world: &World, caller: &Caller) -> Known {
    let listed = world.registry.list_services(caller, ListRequest::default()).await;
    let services = listed.expect("own").services.into_iter();
    services
        .map(|s| (s.version, s.nodes.into_iter().map(|node| node.id).collect()))
        .collect()
}

async fn run(steps: &[Step]) {
    let mut world = World::platform();
    let (caller, (_, door)) = (world.owner("ada-ns"), world.instance("ada-ns"));
    let mut client = Client {
        events: Client::watch(&world, &caller, "").await,
        known: Known::new(),
        revision: String::new(),
        seen: BTreeMap::new(),
    };
    let registration = |version: u8, node: u8, moved: bool| {
        greeter(
            &format!("v{version}"),
            &format!("node-{node}"),
            if moved { 4712 } else { 4711 },
        )
    };
    for step in steps {
        match *step {
            Step::Register(version, node, moved) => {
                let registered = world.register(&door, registration(version, node, moved)).await;
                registered.expect("an instance may");
            }
            Step::Deregister(version, node) => {
                let left = world
                    .registry
                    .deregister(&door, registration(version, node, false))
                    .await;
                left.expect("its own");
            }
            Step::Storm(version) => {
                for n in 0..300 {
                    let registered = world.register(&door, registration(version, 0, n % 2 == 0)).await;
                    registered.expect("an instance may");
                }
            }
            Step::Wait(seconds) => {
                world.clock.advance(Duration::seconds(seconds.into()));
                world.registry.end_leases().await;
            }
            Step::Read(count) => client.read(count.into()),
            Step::BreakOff => client.come_back(&world, &caller).await,
            Step::Restart => {
                world = world.restarted();
                world.registry.load().await.expect("read");
                client.come_back(&world, &caller).await;
            }
        }
    }
    world.registry.end_leases().await;
    client.read(usize::MAX);
    assert_eq!(client.known, registered(&world, &caller).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whoever_has_read_all_knows_what_is_registered(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(run(&steps));
    }
}
