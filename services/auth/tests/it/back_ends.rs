//! One life of an account, on each back end that lasts.

use std::sync::Arc;

use micro_proto::auth::{Access, CreateRequest, EndSessionRequest, Resource, Rule, Rules, Sessions};
use micro_storage::{
    Db, file,
    records::Records,
    sql::{Hot, SqlRecords},
};
use micro_tenancy::rules::Rulebook;
use micro_testkit::TestDb;
use time::Duration;

use crate::world::World;

async fn somebody_signs_up_comes_back_and_leaves(records: Arc<dyn Records>) {
    let world = World::platform_on(records);
    let namespace = world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let first = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    let ada = world.holder(&first).await.expect("good");

    let resource = Resource {
        name: "greeter".into(),
        r#type: "service".into(),
        endpoint: "*".into(),
    };
    let rule = Rule {
        id: "open".into(),
        resource: Some(resource),
        access: Access::Granted.into(),
        ..Default::default()
    };
    world
        .auth
        .create(
            &ada,
            CreateRequest {
                rule: Some(rule),
                options: None,
            },
        )
        .await
        .expect("made");

    let restarted = world.replica();
    restarted.auth.load_revocations().await.expect("read");
    assert_eq!(restarted.auth.rules(&namespace).await.expect("read").rules().len(), 2);
    let second = restarted
        .refresh(&first.refresh_token)
        .await
        .expect("it outlived the restart");
    restarted.clock.advance(Duration::MINUTE * 2);
    assert!(
        world.refresh(&first.refresh_token).await.is_err(),
        "used up before the restart"
    );
    restarted.auth.load_revocations().await.expect("read");
    assert!(restarted.holder(&second).await.is_none());

    let third = restarted
        .log_in("ada-ns", "ada@example.com", "correct horse")
        .await
        .expect("known");
    let ada = restarted.holder(&third).await.expect("good");
    restarted
        .auth
        .end(&ada, EndSessionRequest::default())
        .await
        .expect("ended");
    assert!(restarted.refresh(&third.refresh_token).await.is_err());

    // As sign-up does after a crash, and when the person signs up again.
    world.sign_up("ada-ns", "ada@example.com", "battery staple").await;
    assert!(
        restarted
            .log_in("ada-ns", "ada@example.com", "correct horse")
            .await
            .is_err()
    );
    restarted
        .log_in("ada-ns", "ada@example.com", "battery staple")
        .await
        .expect("the new password");
}

async fn on(db: Db) -> Arc<dyn Records> {
    Arc::new(SqlRecords::new(Hot::connect(&db).await.expect("connects"), &db))
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _log) = file::open(folder.path().join("store.redb")).expect("opens");
    somebody_signs_up_comes_back_and_leaves(Arc::new(records)).await;
}

#[tokio::test]
async fn in_postgres() {
    let test = TestDb::new().await;
    somebody_signs_up_comes_back_and_leaves(on(test.db().await).await).await;
}

#[tokio::test]
async fn in_a_database_that_loses_races() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.1).await;
    somebody_signs_up_comes_back_and_leaves(on(proxy.db().await).await).await;
    assert!(proxy.failures() > 0);
}
