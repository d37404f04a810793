//! Two replicas: one runs services, calls for them through the other are passed on.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use micro_clock::{Clock, SystemClock};
use micro_error::Kind;
use micro_gateway::{Leadership, Replica};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload, mesh::Ingress};
use micro_tenancy::Reach;

use crate::{
    nodes::TestNode,
    world::{World, caller, client, http, principal},
};

/// One replica and what it believes.
struct One {
    world: World,
    leadership: Arc<Leadership>,
}

impl One {
    fn open() -> Self {
        let leadership = Arc::new(Leadership::among_replicas(Arc::new(SystemClock)));
        Self {
            world: World::among(leadership.clone()),
            leadership,
        }
    }

    fn leads(self) -> Self {
        self.leadership
            .hold(Instant::now(), SystemClock.now(), Duration::from_secs(600));
        self.leadership.serve();
        self
    }

    fn follows(self, leader: &Self) -> Self {
        let doors = leader.world.gateway.addresses();
        self.leadership.see(Some(Replica {
            proxy: doors.proxy.to_string(),
            api: doors.api.to_string(),
        }));
        self
    }

    async fn call(&self, token: &str, endpoint: &str, headers: &[(&str, &str)]) -> Result<String, micro_error::Error> {
        let (client, caller) = (self.world.client(), caller(token, headers));
        let answer = client.call_json(&caller, "greeter", endpoint, r#"{"name":"Ada"}"#.into());
        Ok(String::from_utf8(answer.await?.to_vec()).expect("JSON"))
    }
}

/// The leader with a service, and a follower.
async fn pair() -> (One, One, TestNode) {
    let leader = One::open().leads();
    let node = TestNode::start().await;
    leader.world.route("ada-ns", "greeter", vec![node.node()]);
    let follower = One::open().follows(&leader);
    (leader, follower, node)
}

#[tokio::test]
async fn a_call_is_answered_where_its_service_runs() {
    let (leader, follower, node) = pair().await;
    for one in [&leader, &follower] {
        assert_eq!(
            one.call("ada", "Greeter.Hello", &[]).await.expect("answered"),
            r#"{"name":"Ada"}"#
        );
        let seen = node.last_headers();
        let token = seen["authorization"].to_str().expect("text");
        assert!(token.starts_with("Bearer for:ada@ada-ns/greeter"), "{token}");
        assert!(!seen.contains_key("micro-hop"), "how it came is nobody's affair");

        let asked = http().post(one.world.url("/greeter/hello?name=Ada")).bearer_auth("ada");
        let answer = asked.send().await.expect("sent");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.expect("read"), r#"{"name":"Ada"}"#);
    }
    let refused = follower
        .call("bob", "Greeter.Hello", &[("micro-namespace", "ada-ns")])
        .await;
    assert_eq!(
        refused.expect_err("a stranger's").kind(),
        Kind::Forbidden,
        "as at the leader"
    );
    let failed = follower.call("ada", "Greeter.Fail", &[]).await.expect_err("fails");
    assert_eq!((failed.kind(), failed.message()), (Kind::Conflict, "100% taken"));
    let missing = http().get(follower.world.url("/nobody/hello")).bearer_auth("ada");
    assert_eq!(missing.send().await.expect("sent").status(), 404);
}

#[tokio::test]
async fn what_every_replica_knows_is_answered_here() {
    let leader = One::open();
    let follower = One::open().follows(&leader);
    let (client, ada) = (follower.world.client(), caller("ada", &[]));
    let answer = client.call_json(&ada, "store", "Store.Read", r#"{"key":"k"}"#.into());
    let answer = answer.await.expect("though nobody leads");
    assert!(String::from_utf8_lossy(&answer).contains("ada-ns/k"));
}

#[tokio::test]
async fn streams_and_their_ends_pass_both_ways() {
    let (_leader, follower, node) = pair().await;
    let client = follower.world.client();
    let ada = caller("ada", &[]);
    let answers = client.stream_json(&ada, "greeter", "Greeter.Break", "{}".into());
    let answers: Vec<_> = answers.await.expect("opens").collect().await;
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].as_ref().expect_err("it breaks").message(), "it broke");

    let chunks = futures::stream::iter(std::iter::repeat_n(bytes::Bytes::from(vec![b'x'; 100_000]), 100)).map(Ok);
    let outgoing = Outgoing {
        path: "/greeter.Greeter/Count".into(),
        codec: Codec::Json,
        kind: MethodKind::ClientStream,
        payload: Payload::Many(Box::pin(chunks)),
    };
    let Ok(Payload::One(counted)) = client.call(&ada, outgoing).await else {
        panic!("one message")
    };
    assert_eq!(counted, r#"{"count":100,"bytes":10000000}"#);

    let held = follower.call("ada", "Greeter.Hold", &[]);
    tokio::select! {
        _ = held => panic!("it is held"),
        () = node.seen.held.notified() => {}
    }
    // Dropped here: the node learns that nobody waits any more.
    node.seen.cancelled.notified().await;
}

#[tokio::test]
async fn a_mark_that_no_replica_made_is_worth_nothing() {
    let (leader, follower, node) = pair().await;
    for one in [&leader, &follower] {
        let claimed = [("micro-hop", "1.AAAA.10.0.0.1")];
        one.call("ada", "Greeter.Hello", &claimed).await.expect("as anybody's");
        assert!(!node.last_headers().contains_key("micro-hop"));
    }
}

#[tokio::test]
async fn what_was_passed_on_is_not_passed_on_again() {
    let (one, other) = (One::open(), One::open());
    let one = one.follows(&other);
    let other = other.follows(&one);
    for replica in [&one, &other] {
        let refused = replica
            .call("ada", "Greeter.Hello", &[])
            .await
            .expect_err("nobody leads");
        assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
        let refused = http()
            .get(replica.world.url("/greeter/hello"))
            .bearer_auth("ada")
            .send();
        assert_eq!(refused.await.expect("sent").status(), 503);
    }
}

#[tokio::test]
async fn a_call_waits_for_whoever_leads_next() {
    let (leader, follower, node) = pair().await;
    leader.world.gateway.stop(Duration::ZERO).await;
    follower.world.route("ada-ns", "greeter", vec![node.node()]);
    let waiting = follower.call("ada", "Greeter.Hello", &[]);
    let taking_over = async {
        // It is refused there and waits here, before or after this.
        let follower = &follower.leadership;
        follower.hold(Instant::now(), SystemClock.now(), Duration::from_secs(600));
        follower.serve();
    };
    let (answer, ()) = tokio::join!(waiting, taking_over);
    assert_eq!(answer.expect("answered here"), r#"{"name":"Ada"}"#);
}

#[tokio::test]
async fn a_call_waits_where_it_was_passed_on_to_until_that_replica_has_taken_over() {
    let next = One::open();
    let node = TestNode::start().await;
    next.world.route("ada-ns", "greeter", vec![node.node()]);
    let follower = One::open().follows(&next);
    next.leadership
        .hold(Instant::now(), SystemClock.now(), Duration::from_secs(600));
    let mut waiting = std::pin::pin!(follower.call("ada", "Greeter.Hello", &[]));
    let answered_early = tokio::time::timeout(Duration::from_millis(100), waiting.as_mut()).await;
    assert!(answered_early.is_err(), "{answered_early:?}");
    next.leadership.serve();
    assert_eq!(waiting.await.expect("answered"), r#"{"name":"Ada"}"#);
}

#[tokio::test]
async fn nobody_waits_for_a_replica_that_leads_no_more() {
    let (_leader, follower, node) = pair().await;
    let held = follower.call("ada", "Greeter.Hold", &[]);
    let replaced = async {
        node.seen.held.notified().await;
        follower.leadership.see(None);
    };
    let (held, ()) = tokio::join!(held, replaced);
    assert_eq!(held.expect_err("given up").kind(), Kind::Unavailable);
    node.seen.cancelled.notified().await;
}

#[tokio::test]
async fn an_instance_is_heard_as_long_as_its_server_leads() {
    let leader = One::open().leads();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let _door = leader
        .world
        .gateway
        .open(listener, principal("ada", Reach::Own))
        .expect("opens");
    let read = || async {
        let (instance, nobody) = (client(address), caller("", &[]));
        let read = instance.call_json(&nobody, "store", "Store.Read", r#"{"key":"k"}"#.into());
        read.await.map(drop)
    };
    read().await.expect("it leads");
    leader.leadership.see(None);
    assert_eq!(read().await.expect_err("replaced").kind(), Kind::Unavailable);
}
