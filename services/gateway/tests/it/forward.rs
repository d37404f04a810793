//! On the way to a node: every kind of call, and every way for a node to fail.

use std::{sync::atomic::Ordering, time::Duration};

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload, mesh::Node};

use crate::{
    nodes::{TestNode, silent},
    world::{World, caller},
};

async fn one_node() -> (World, TestNode) {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    (world, node)
}

async fn call(world: &World, endpoint: &str, body: &'static str) -> Result<String, Error> {
    let answer = world
        .client()
        .call_json(&caller("ada", &[]), "greeter", endpoint, body.into())
        .await?;
    Ok(String::from_utf8(answer.to_vec()).expect("JSON"))
}

#[tokio::test]
async fn bytes_pass_untouched_in_both_codecs() {
    let (world, node) = one_node().await;
    for (codec, bytes) in [
        (Codec::Proto, &[8, 150, 1][..]),
        (Codec::Json, b"{\"anything\": [1, {}]}"),
    ] {
        let payload = Payload::One(bytes.to_vec().into());
        let outgoing = Outgoing {
            path: "/greeter.Greeter/Hello".into(),
            codec,
            kind: MethodKind::Unary,
            payload,
        };
        let Ok(Payload::One(back)) = world.client().call(&caller("ada", &[]), outgoing).await else {
            panic!("one message")
        };
        assert_eq!(back, bytes);
        assert_eq!(node.last_headers()["content-type"], codec.content_type());
    }
}

#[tokio::test]
async fn a_nodes_errors_pass_with_code_text_and_details() {
    let (world, _node) = one_node().await;
    let failed = call(&world, "Greeter.Fail", "{}").await.expect_err("fails");
    assert_eq!(
        (failed.kind(), failed.id(), failed.message()),
        (Kind::Conflict, "greeter.Greeter.Fail", "100% taken")
    );
    let unknown = call(&world, "Greeter.Nope", "{}").await.expect_err("fails");
    assert_eq!(
        (unknown.kind(), unknown.message()),
        (Kind::Unimplemented, "unknown service Greeter.Nope")
    );
}

#[tokio::test]
async fn streams_pass_both_ways() {
    let (world, _node) = one_node().await;
    let client = world.client();
    let answers = client
        .stream_json(&caller("ada", &[]), "greeter", "Greeter.Many", "{\"a\":1}".into())
        .await
        .expect("opens");
    let answers: Vec<_> = answers.map(|a| a.expect("a message")).collect().await;
    assert_eq!(answers, [r#"{"a":1}"#; 3]);

    let answers = client
        .stream_json(&caller("ada", &[]), "greeter", "Greeter.Break", "{\"a\":1}".into())
        .await
        .expect("opens");
    let answers: Vec<_> = answers.collect().await;
    assert_eq!(answers[1].as_ref().expect_err("it breaks").message(), "it broke");

    // Far more than any window holds.
    let chunks = futures::stream::iter(std::iter::repeat_n(bytes::Bytes::from(vec![b'x'; 100_000]), 300)).map(Ok);
    let outgoing = Outgoing {
        path: "/greeter.Greeter/Count".into(),
        codec: Codec::Json,
        kind: MethodKind::ClientStream,
        payload: Payload::Many(Box::pin(chunks)),
    };
    let Ok(Payload::One(counted)) = client.call(&caller("ada", &[]), outgoing).await else {
        panic!("one message")
    };
    assert_eq!(counted, r#"{"count":300,"bytes":30000000}"#);
}

/// The spike once saw such an answer come back empty, in one of twenty runs.
#[tokio::test]
async fn an_answer_before_the_request_was_read_arrives_whole() {
    let (world, _node) = one_node().await;
    let client = world.client();
    for round in 0..200 {
        let chunk = bytes::Bytes::from(vec![b'x'; 60_000]);
        let outgoing = Outgoing {
            path: "/greeter.Greeter/Early".into(),
            codec: Codec::Json,
            kind: MethodKind::ClientStream,
            payload: Payload::Many(Box::pin(futures::stream::iter(std::iter::repeat_n(chunk, 50)).map(Ok))),
        };
        let Err(told) = client.call(&caller("ada", &[]), outgoing).await else {
            panic!("refused")
        };
        assert_eq!(
            (told.kind(), told.message()),
            (Kind::TooLarge, "enough"),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_late_node_is_given_up_and_learns_it() {
    let (world, node) = one_node().await;
    // The door's deadline, not the client's: this one waits far longer.
    let patient = world.client().with_timeout(Duration::from_secs(60));
    let payload = Payload::One("{}".into());
    let outgoing = Outgoing {
        path: "/greeter.Greeter/Hold".into(),
        codec: Codec::Json,
        kind: MethodKind::ServerStream,
        payload,
    };
    let late = match patient.call(&caller("ada", &[("timeout", "50000000")]), outgoing).await {
        Err(late) => late,
        Ok(answers) => answers.frames().next().await.expect("an end").expect_err("late").into(),
    };
    assert_eq!(
        (late.kind(), late.id(), late.message()),
        (Kind::Timeout, "go.micro.client", "context deadline exceeded")
    );
    node.seen.cancelled.notified().await;
    let nanos: u64 = node.last_headers()["timeout"]
        .to_str()
        .expect("text")
        .parse()
        .expect("nanoseconds");
    assert!((1..=50_000_000).contains(&nanos), "what is left: {nanos}");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_call() {
    let (world, node) = one_node().await;
    let client = world.client();
    let asking = tokio::spawn(async move {
        let asked = client
            .call_json(&caller("ada", &[]), "greeter", "Greeter.Hold", "{}".into())
            .await;
        asked.map(|_| ())
    });
    node.seen.held.notified().await;
    asking.abort();
    node.seen.cancelled.notified().await;
}

#[tokio::test]
async fn a_dead_node_is_told_at_once_and_another_takes_its_calls() {
    let (world, first) = one_node().await;
    call(&world, "Greeter.Hello", "{}").await.expect("alive");
    let second = TestNode::start().await;
    let nodes: Vec<Node> = vec![first.node(), second.node()];
    first.kill().await;
    let dead = call(&world, "Greeter.Hello", "{}").await.expect_err("dead");
    assert_eq!(
        (dead.kind(), dead.message()),
        (Kind::Unavailable, "service greeter: connection refused")
    );

    world.route("ada-ns", "greeter", nodes);
    for _turn in 0..4 {
        call(&world, "Greeter.Hello", "{}")
            .await
            .expect("the other one answers");
    }
}

#[tokio::test]
async fn a_call_that_was_under_way_on_a_dying_node_is_not_repeated() {
    let (world, node) = one_node().await;
    let other = TestNode::start().await;
    let client = world.client();
    let asking = tokio::spawn(async move {
        client
            .call_json(&caller("ada", &[]), "greeter", "Greeter.Hold", "{}".into())
            .await
    });
    node.seen.held.notified().await;
    world.route("ada-ns", "greeter", vec![node.node(), other.node()]);
    node.kill().await;
    let lost = asking.await.expect("joins").expect_err("lost");
    assert_eq!(
        (lost.kind(), lost.message()),
        (Kind::Unavailable, "service greeter: the connection was lost")
    );
    assert!(other.seen.headers.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn nodes_take_turns_on_few_connections() {
    let world = World::with(|c| c.cores = Some(1)).await;
    let (one, two) = (TestNode::start().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![one.node(), two.node()]);
    for _call in 0..10 {
        call(&world, "Greeter.Hello", "{}").await.expect("answers");
    }
    let calls = |node: &TestNode| node.seen.headers.lock().expect("not poisoned").len();
    assert_eq!((calls(&one), calls(&two)), (5, 5));
    let connections = |node: &TestNode| node.seen.connections.load(Ordering::SeqCst);
    assert_eq!((connections(&one), connections(&two)), (1, 1));
}

#[tokio::test]
async fn many_calls_at_once_open_a_second_connection_and_not_a_third() {
    let world = World::with(|c| c.cores = Some(1)).await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    call(&world, "Greeter.Hello", "{}").await.expect("answers");
    let client = world.client().with_timeout(Duration::from_secs(60));
    let held: Vec<_> = (0..150)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .call_json(&caller("ada", &[]), "greeter", "Greeter.Hold", "{}".into())
                    .await
            })
        })
        .collect();
    while node.seen.headers.lock().expect("not poisoned").len() < 151 {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.seen.connections.load(Ordering::SeqCst), 2);
    node.seen.release.notify_waiters();
    for held in held {
        held.await.expect("joins").expect("answers");
    }
}

/// A node's id is a word of the tenant's: the same id elsewhere must not lead to another's connection.
#[tokio::test]
async fn equal_node_ids_of_two_tenants_are_two_nodes() {
    let world = World::with(|c| c.cores = Some(1)).await;
    let (adas, bobs) = (TestNode::start().await, TestNode::start().await);
    let id = "greeter-1".to_owned();
    world.route(
        "ada-ns",
        "greeter",
        vec![Node {
            id: id.clone(),
            ..adas.node()
        }],
    );
    world.route("bob-ns", "greeter", vec![Node { id, ..bobs.node() }]);
    for (token, node) in [("ada", &adas), ("bob", &bobs), ("ada", &adas)] {
        world
            .client()
            .call_json(&caller(token, &[]), "greeter", "Greeter.Hello", "{}".into())
            .await
            .expect("answers");
        let seen = node.last_headers()["micro-namespace"]
            .to_str()
            .expect("text")
            .to_owned();
        assert_eq!(seen, format!("{token}-ns"));
    }
    assert_eq!(bobs.seen.headers.lock().expect("not poisoned").len(), 1);
}

#[tokio::test]
async fn a_node_that_never_speaks_does_not_outlast_the_deadline() {
    let world = World::open().await;
    let (address, _held) = silent().await;
    struct To(std::net::SocketAddr);
    #[async_trait::async_trait]
    impl micro_rpc::mesh::Connect for To {
        async fn connect(&self) -> std::io::Result<tokio::net::TcpStream> {
            tokio::net::TcpStream::connect(self.0).await
        }
    }
    world.route(
        "ada-ns",
        "greeter",
        vec![Node {
            id: "mute".into(),
            instance: None,
            connect: std::sync::Arc::new(To(address)),
        }],
    );
    let client = world.client().with_timeout(Duration::from_millis(100));
    let late = client
        .call_json(&caller("ada", &[]), "greeter", "Greeter.Hello", "{}".into())
        .await
        .expect_err("late");
    assert_eq!(late.kind(), Kind::Timeout);
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_does_not_outlast_the_deadline() {
    struct Nowhere;
    #[async_trait::async_trait]
    impl micro_rpc::mesh::Connect for Nowhere {
        async fn connect(&self) -> std::io::Result<tokio::net::TcpStream> {
            std::future::pending().await
        }
    }
    let world = World::open().await;
    let nowhere = Node {
        id: "gone".into(),
        instance: None,
        connect: std::sync::Arc::new(Nowhere),
    };
    world.route("ada-ns", "greeter", vec![nowhere]);
    let patient = world.client().with_timeout(Duration::from_secs(60));
    let outgoing = Outgoing {
        path: "/greeter.Greeter/Hello".into(),
        codec: Codec::Json,
        kind: MethodKind::ServerStream,
        payload: Payload::One("{}".into()),
    };
    let late = match patient.call(&caller("ada", &[("timeout", "50000000")]), outgoing).await {
        Err(late) => late,
        Ok(answers) => answers.frames().next().await.expect("an end").expect_err("late").into(),
    };
    assert_eq!(late.message(), "context deadline exceeded");
}

#[tokio::test]
async fn a_call_may_name_the_node_that_is_to_answer() {
    let (world, one) = one_node().await;
    let two = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![one.node(), two.node()]);
    let hello = async |node: &str| {
        let caller = caller("ada", &[("micro-node", node)]);
        let client = world.client();
        let answer = client.call_json(&caller, "greeter", "Greeter.Hello", "{}".into());
        answer.await.map(|_| ())
    };
    for _ in 0..5 {
        hello(&two.node().id).await.expect("answers");
    }
    let seen = |node: &TestNode| node.seen.headers.lock().expect("not poisoned").len();
    assert_eq!((seen(&one), seen(&two)), (0, 5));
    let gone = hello("node-0").await.expect_err("no such node");
    assert_eq!(gone.message(), "service greeter: route not found");
}
