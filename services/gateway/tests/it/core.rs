//! Core names: served in process whatever the namespace header says, and only those that boot listed.

use std::sync::atomic::Ordering;

use futures::StreamExt;
use micro_error::Kind;
use micro_proto::{
    auth::{Auth, AuthClient, GenerateRequest, InspectRequest, TokenRequest},
    debug::{Debug as _, HealthRequest},
    store::{ListOptions, ListRequest, ReadRequest, Store, StoreClient},
};
use micro_rpc::mesh::Ingress;
use micro_tenancy::Reach;

use crate::{
    nodes::TestNode,
    world::{World, caller, client, principal},
};

fn read(key: &str) -> ReadRequest {
    ReadRequest {
        key: key.into(),
        options: None,
    }
}

#[tokio::test]
async fn a_handler_gets_the_callers_namespace() {
    let world = World::open().await;
    let store = StoreClient::new(world.client());
    for headers in [
        &[][..],
        &[("micro-namespace", "micro")],
        &[("micro-namespace", "ada-ns")],
    ] {
        let records = store
            .read(&caller("ada", headers), read("k"))
            .await
            .expect("answers")
            .records;
        assert_eq!(records[0].key, "ada-ns/k");
    }
    let denied = store
        .read(&caller("ada", &[("micro-namespace", "bob-ns")]), read("k"))
        .await
        .expect_err("denied");
    assert_eq!(
        (denied.kind(), denied.message()),
        (Kind::Forbidden, "Access denied to namespace")
    );
}

#[tokio::test]
async fn without_an_account_only_the_open_list_is_answered() {
    let world = World::open().await;
    let auth = AuthClient::new(world.client());
    let stranger = caller("", &[("micro-namespace", "ada-ns")]);
    auth.token(&stranger, TokenRequest::default()).await.expect("open");
    auth.inspect(&caller("expired", &[]), InspectRequest::default())
        .await
        .expect("open");
    let refused = auth
        .generate(&stranger, GenerateRequest::default())
        .await
        .expect_err("closed");
    assert_eq!(
        (refused.kind(), refused.id(), refused.message()),
        (Kind::Unauthenticated, "auth.Auth.Generate", "An account is required")
    );
    let refused = StoreClient::new(world.client())
        .read(&stranger, read("k"))
        .await
        .expect_err("closed");
    assert_eq!(refused.message(), "An account is required");
    for (name, endpoint) in [
        ("signup", "Session.Start"),
        ("signup", "Signup.Verify"),
        ("go.micro.service.signup", "Signup.Verify"),
    ] {
        world
            .client()
            .call_json(&stranger, name, endpoint, "{}".into())
            .await
            .expect("open");
    }
}

#[tokio::test]
async fn what_boot_did_not_list_is_not_there() {
    let world = World::open().await;
    // A tenant cannot take a core name either.
    let node = TestNode::start().await;
    for name in ["runtime", "registry", "proxy", "store"] {
        world.route("ada-ns", name, vec![node.node()]);
    }
    for (service, endpoint, told) in [
        ("runtime", "Runtime.Create", "service runtime: route not found"),
        ("billing", "Billing.Read", "service billing: route not found"),
        ("namespaces", "Identities.Find", "service namespaces: route not found"),
        ("store", "Nope.Read", "unknown service Nope"),
        ("store", "Store.Nope", "unknown service Store.Nope"),
        ("proxy", "Proxy.Call", "unknown service Proxy"),
        ("", "Store.Read", "service name is blank"),
    ] {
        let refused = world
            .client()
            .call_json(&caller("ada", &[]), service, endpoint, "{}".into())
            .await
            .expect_err("refused");
        assert_eq!(refused.message(), told);
    }
    assert!(node.seen.headers.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn the_presented_token_reaches_the_core_and_the_address_is_the_doors_word() {
    let world = World::open().await;
    let account = AuthClient::new(world.client())
        .inspect(&caller("ada", &[]), InspectRequest::default())
        .await;
    let account = account.expect("answers").account.expect("hers");
    assert_eq!((account.id.as_str(), account.name.as_str()), ("ada", "ada"));
    let forged = caller("ada", &[("remote", "6.6.6.6")]);
    let records = StoreClient::new(world.client())
        .read(&forged, read("remote"))
        .await
        .expect("answers")
        .records;
    assert_eq!(records[0].key, "127.0.0.1");
}

#[tokio::test]
async fn on_an_instances_door_the_core_knows_the_instance_only() {
    let world = World::open().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let _door = world
        .gateway
        .open(listener, principal("ada", Reach::Own))
        .expect("opens");
    for token in ["", "bob", "for:carol@ada-ns/web"] {
        let records = StoreClient::new(client(address))
            .read(&caller(token, &[]), read("k"))
            .await
            .expect("answers")
            .records;
        assert_eq!(records[0].key, "ada-ns/k");
    }
    // All sandboxes have the same addresses: it is counted as its namespace, whatever it says itself.
    let forged = caller("", &[("remote", "6.6.6.6")]);
    let records = StoreClient::new(client(address))
        .read(&forged, read("remote"))
        .await
        .expect("answers")
        .records;
    assert_eq!(
        records[0].key,
        format!("namespace:{}", crate::world::namespace("ada-ns").id)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_run_on_their_own_runtime() {
    let runtime = async |world: &World| {
        let store = StoreClient::new(world.client());
        store
            .read(&caller("ada", &[]), read("runtime"))
            .await
            .expect("answers")
            .records[0]
            .key
            .clone()
    };
    assert_eq!(runtime(&World::open().await).await, "MultiThread");
    assert_eq!(
        runtime(&World::with(|c| c.core_runtime = None).await).await,
        "CurrentThread"
    );
}

#[tokio::test]
async fn a_stream_ends_with_its_reader() {
    for own_runtime in [true, false] {
        let world = World::with(|c| {
            if !own_runtime {
                c.core_runtime = None;
            }
        })
        .await;
        let request = ListRequest {
            options: Some(ListOptions {
                prefix: "endless".into(),
                ..Default::default()
            }),
        };
        let mut pages = StoreClient::new(world.client())
            .list(&caller("ada", &[]), request)
            .await
            .expect("opens");
        for page in ["0", "1"] {
            assert_eq!(pages.next().await.expect("a page").expect("whole").keys, [page]);
        }
        drop(pages);
        while world.behind.left.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn errors_of_a_handler_keep_their_words_and_ours_do_not_leak() {
    let world = World::open().await;
    let store = StoreClient::new(world.client());
    let missing = store
        .read(&caller("ada", &[]), read("missing"))
        .await
        .expect_err("missing");
    assert_eq!((missing.kind(), missing.id()), (Kind::NotFound, "store.Store.Read"));
    let broken = store
        .read(&caller("ada", &[]), read("broken"))
        .await
        .expect_err("broken");
    assert!(!broken.message().contains("hunter2"));
    let late = StoreClient::new(world.client().with_timeout(std::time::Duration::from_millis(50)));
    assert_eq!(
        late.read(&caller("ada", &[]), read("slow"))
            .await
            .expect_err("late")
            .kind(),
        Kind::Timeout
    );
}

#[tokio::test]
async fn every_core_name_tells_its_health() {
    let world = World::open().await;
    for name in ["auth", "store", "signup", "proxy", "api"] {
        let health = world
            .client()
            .call_json(&caller("", &[]), name, "Debug.Health", "{}".into())
            .await;
        assert_eq!(health.expect(name), r#"{"status":"ok"}"#);
    }
    world
        .client()
        .call_json(&caller("", &[]), "store", "Debug.Stats", "{}".into())
        .await
        .expect_err("figures need an account");
    let stats = world
        .client()
        .call_json(&caller("ada", &[]), "store", "Debug.Stats", "{}".into())
        .await
        .expect("answers");
    let stats: serde_json::Value = serde_json::from_slice(&stats).expect("JSON");
    let number = |name: &str| {
        stats[name]
            .as_str()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or_default()
    };
    assert!(
        number("memory") > 1 << 20 && number("threads") > 0 && number("timestamp") >= number("started"),
        "{stats}"
    );
    // Its own generated client says the same.
    let debug = micro_proto::debug::DebugClient::new(world.client());
    debug
        .health(&caller("ada", &[]), HealthRequest {})
        .await
        .expect_err("the package's own name is no core name of boot's");
}

#[tokio::test]
async fn a_core_services_figures_are_those_of_the_namespace_that_asks() {
    let world = World::open().await;
    let store = StoreClient::new(world.client());
    store.read(&caller("ada", &[]), read("k")).await.expect("answers");
    for _ in 0..2 {
        let missing = store.read(&caller("ada", &[]), read("missing")).await;
        missing.expect_err("missing");
    }
    let figures = async |token: &str, service: &str| {
        let stats = world
            .client()
            .call_json(&caller(token, &[]), service, "Debug.Stats", "{}".into())
            .await
            .expect("answers");
        let stats: micro_proto::debug::StatsResponse = serde_json::from_slice(&stats).expect("JSON");
        (stats.requests, stats.errors)
    };
    assert_eq!(figures("ada", "store").await, (3, 2));
    assert_eq!(figures("ada", "auth").await, (0, 0));
    assert_eq!(figures("ada", "proxy").await, (3, 2), "all of them");
    assert_eq!(figures("bob", "store").await, (0, 0), "another namespace has its own");
}

#[tokio::test]
async fn what_the_platform_logs_is_shown_to_nobody_and_says_so() {
    let world = World::open().await;
    for method in ["Log", "Trace"] {
        let asked = world
            .client()
            .call_json(&caller("ada", &[]), "store", &format!("Debug.{method}"), "{}".into())
            .await;
        let refused = asked.expect_err("not shown");
        assert_eq!(
            (refused.kind(), refused.id()),
            (Kind::Unimplemented, format!("store.Debug.{method}").as_str())
        );
        assert!(refused.message().contains("those of yours are"), "{refused:?}");
    }
}
