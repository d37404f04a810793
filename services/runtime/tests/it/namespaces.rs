//! Nobody sees, reads, changes or ends another's services.

use micro_error::Kind;
use micro_proto::runtime::{
    CreateRequest, DeleteOptions, DeleteRequest, LogsOptions, LogsRequest, ReadOptions, ReadRequest, Releases as _,
    Runtime as _, UpdateOptions, UpdateRequest, WatchRequest,
};
use micro_testkit::eventually;

use crate::app::{App, SOON, script};

#[tokio::test]
async fn equal_names_are_different_services() {
    let app = App::start().await;
    let (ada, bob) = (app.person("ada-ns"), app.person("bobs-ns"));
    ada.run("greeter", script("echo I am Ada\nexec sleep 1000\n")).await;
    assert!(bob.services().await.is_empty());
    assert_eq!(
        bob.logs("greeter", 15).await.expect_err("not his").kind(),
        Kind::NotFound
    );
    bob.run("greeter", script("echo I am Bob\nexec sleep 1000\n")).await;
    eventually("both speak", SOON, || async {
        ada.output("greeter").await == ["I am Ada"] && bob.output("greeter").await == ["I am Bob"]
    })
    .await;
    bob.kill("greeter").await.expect("killed his own");
    assert_eq!(ada.status("greeter").await, 4);
    app.stop().await;
}

#[tokio::test]
async fn a_namespace_named_in_a_message_is_refused() {
    let app = App::start().await;
    let (ada, bob) = (app.person("ada-ns"), app.person("bobs-ns"));
    ada.run("greeter", script("exec sleep 1000\n")).await;
    let namespace = || "ada-ns".to_owned();
    let options = |namespace| {
        Some(micro_proto::runtime::CreateOptions {
            namespace,
            ..Default::default()
        })
    };
    let runtime = &app.runtime;
    let caller = &bob.caller;
    let resource = || bob.service("greeter", "h.io/a/b");
    let mut refusals = Vec::new();
    for there in [namespace(), "nobodys-ns".to_owned(), "micro".to_owned()] {
        let create = CreateRequest {
            resource: resource(),
            options: options(there.clone()),
        };
        refusals.push(runtime.create(caller, create).await.err());
        let update = UpdateOptions {
            namespace: there.clone(),
            ..Default::default()
        };
        refusals.push(
            runtime
                .update(
                    caller,
                    UpdateRequest {
                        resource: resource(),
                        options: Some(update),
                    },
                )
                .await
                .err(),
        );
        let delete = DeleteOptions {
            namespace: there.clone(),
        };
        refusals.push(
            runtime
                .delete(
                    caller,
                    DeleteRequest {
                        resource: resource(),
                        options: Some(delete),
                    },
                )
                .await
                .err(),
        );
        let read = ReadOptions {
            namespace: there.clone(),
            ..Default::default()
        };
        refusals.push(
            runtime
                .read(
                    caller,
                    ReadRequest {
                        options: Some(read.clone()),
                    },
                )
                .await
                .err(),
        );
        let logs = LogsOptions { namespace: there };
        let logs = LogsRequest {
            service: "greeter".into(),
            options: Some(logs),
            ..Default::default()
        };
        refusals.push(runtime.logs(caller, logs).await.err());
        let watch = WatchRequest {
            service: "greeter".into(),
            options: Some(read),
            ..Default::default()
        };
        refusals.push(runtime.watch(caller, watch).await.err());
    }
    for refused in refusals {
        let refused = refused.expect("refused");
        assert_eq!(
            (refused.kind(), refused.message()),
            (Kind::Forbidden, "Access denied to namespace")
        );
    }
    assert_eq!(ada.status("greeter").await, 4);
    app.stop().await;
}

#[tokio::test]
async fn a_namespace_has_its_folder_before_its_first_service_and_loses_all_when_it_is_evicted() {
    let app = App::start().await;
    let (ada, bob) = (app.person("ada-ns"), app.person("bobs-ns"));
    let namespace = ada.caller.enter("").expect("her own").namespace().clone();
    let folder = app.world.data_dir().join("namespaces").join(namespace.id.to_string());
    for _ in 0..2 {
        app.runtime.admit(&namespace).await.expect("admitted, again too");
        assert!(folder.is_dir());
    }
    for person in [&ada, &bob] {
        person.run("greeter", script("echo here\nexec sleep 1000\n")).await;
        person.wait_for("greeter", 4).await;
    }
    for _ in 0..2 {
        app.runtime.evict(&namespace).await.expect("evicted, again too");
        assert!(ada.services().await.is_empty());
        assert!(ada.serving("greeter").is_empty());
    }
    assert_eq!(bob.status("greeter").await, 4, "the neighbour's goes on");
    app.stop().await;
}
