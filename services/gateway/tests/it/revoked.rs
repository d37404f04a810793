//! A token that is revoked while something goes on: news of it may take 2.5 seconds.

use std::{sync::atomic::Ordering, time::Duration};

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_gateway::bounds;
use micro_proto::store::{ListOptions, ListRequest, Store, StoreClient};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload};

use crate::{
    nodes::TestNode,
    world::{World, caller},
};

/// Revokes every token and waits for what becomes of the work.
async fn ends(world: &World, work: impl Future<Output = Error>) {
    world.behind.revoked.store(true, Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    let ended = tokio::time::timeout(bounds::LOOK_AGAIN * 2, work).await;
    assert_eq!(ended.expect("in time").kind(), Kind::Unauthenticated);
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_of_the_core_ends() {
    let world = World::open().await;
    let options = ListOptions {
        prefix: "endless".into(),
        ..Default::default()
    };
    let request = ListRequest { options: Some(options) };
    let mut pages = StoreClient::new(world.client())
        .list(&caller("ada", &[]), request)
        .await
        .expect("opens");
    for page in ["0", "1"] {
        assert_eq!(pages.next().await.expect("a page").expect("whole").keys, [page]);
    }
    ends(&world, async {
        pages.next().await.expect("a last word").expect_err("its end")
    })
    .await;
}

/// Without a deadline it would wait for ever.
#[tokio::test]
async fn a_call_that_waits_for_a_services_answer_ends_and_the_service_learns_it() {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    let patient = world.client().with_timeout(Duration::from_secs(60));
    let outgoing = Outgoing {
        path: "/greeter.Greeter/Hold".into(),
        codec: Codec::Json,
        kind: MethodKind::Unary,
        payload: Payload::One("{}".into()),
    };
    let ada = caller("ada", &[]);
    let mut call = Box::pin(patient.call(&ada, outgoing));
    tokio::select! {
        _ = &mut call => panic!("it is held"),
        () = node.seen.held.notified() => {}
    }
    ends(&world, async { call.await.err().expect("its end") }).await;
    node.seen.cancelled.notified().await;
}

#[tokio::test]
async fn an_upload_is_heard_no_longer() {
    let world = World::open().await;
    let patient = world.client().with_timeout(Duration::from_secs(60));
    let outgoing = Outgoing {
        path: "/store.BlobStore/Write".into(),
        codec: Codec::Json,
        kind: MethodKind::ClientStream,
        payload: Payload::Many(Box::pin(futures::stream::pending())),
    };
    let ada = caller("ada", &[]);
    let mut call = Box::pin(patient.call(&ada, outgoing));
    tokio::select! {
        _ = &mut call => panic!("it takes everything"),
        () = world.behind.entered.notified() => {}
    }
    ends(&world, async { call.await.err().expect("its end") }).await;
}
