//! From three words to walls, and back.

use micro_domain::NamespaceName;
use micro_error::Kind;
use micro_proto::namespaces::{self as wire, Namespaces};
use micro_tenancy::Caller;
use micro_testkit::{authority, principal};
use time::Duration;

use crate::app::{TestApp, attempt, platform};

#[tokio::test]
async fn an_attempt_gets_the_same_three_words_each_time() {
    let app = TestApp::start().await;
    let ada = attempt();
    let (first, again, other) = (
        app.reserve(&ada).await,
        app.reserve(&ada).await,
        app.reserve(&attempt()).await,
    );
    assert_eq!(first, again);
    assert_eq!(first.name.split('-').count(), 3);
    assert_eq!(first.state, "reserved");
    assert!(first.name != other.name && first.id != other.id);
}

#[tokio::test]
async fn two_that_ask_at_once_for_one_attempt_get_one_namespace() {
    let app = TestApp::start().await;
    let ada = attempt();
    let (one, two, three) = tokio::join!(app.reserve(&ada), app.reserve(&ada), app.reserve(&ada));
    assert_eq!((&one, &one), (&two, &three));
}

#[tokio::test]
async fn a_namespace_is_seen_only_behind_all_its_walls() {
    let app = TestApp::start().await;
    let reserved = app.reserve(&attempt()).await;
    let name = NamespaceName::parse(reserved.name.as_str()).expect("valid");
    assert_eq!(app.namespaces.find_by_name(&name).await.expect("asked"), None);

    app.site.break_wall(Some("quota"));
    assert_eq!(
        app.provision(&reserved.id).await.expect_err("half walled").kind(),
        Kind::Internal
    );
    assert_eq!(app.namespaces.find_by_name(&name).await.expect("asked"), None);

    app.site.break_wall(None);
    app.site.done();
    assert_eq!(app.provision(&reserved.id).await.expect("walled").state, "active");
    assert_eq!(
        app.site.done(),
        [format!("raise directory {name}"), format!("raise quota {name}")]
    );
    assert_eq!(app.provision(&reserved.id).await.expect("again").state, "active");
    assert!(app.site.done().is_empty(), "what stands is not raised again");
    let found = app
        .namespaces
        .find_by_name(&name)
        .await
        .expect("asked")
        .expect("visible");
    assert_eq!(found.id.to_string(), reserved.id);
}

#[tokio::test]
async fn what_is_taken_back_is_gone_and_its_name_stays_taken() {
    let app = TestApp::start().await;
    let ada = attempt();
    let id = app.reserve(&ada).await.id;
    let name = NamespaceName::parse(app.provision(&id).await.expect("active").name).expect("valid");
    assert!(app.namespaces.find_by_name(&name).await.expect("asked").is_some());
    app.site.done();

    app.site.break_wall(Some("directory"));
    assert!(app.release(&ada).await.is_err());
    assert_eq!(
        app.namespaces.find_by_name(&name).await.expect("asked"),
        None,
        "hidden first"
    );
    app.site.break_wall(None);
    app.release(&ada).await.expect("lowered");
    assert_eq!(
        app.site.done().last().expect("lowered"),
        &format!("lower directory {name}"),
        "in the opposite order"
    );

    app.release(&ada).await.expect("safe to repeat");
    assert!(app.site.done().is_empty());
    assert_eq!(app.provision(&id).await.expect_err("gone").kind(), Kind::Conflict);
    assert_eq!(app.reserve(&ada).await.state, "erased", "the attempt gets no other");
    app.release(&attempt()).await.expect("nothing to take back");
}

#[tokio::test]
async fn a_change_elsewhere_is_seen_within_five_seconds() {
    let app = TestApp::start().await;
    let other = app.active().await;
    let name = NamespaceName::parse(other.name).expect("valid");
    assert!(app.namespaces.find_by_name(&name).await.expect("asked").is_some());
    let erase = format!("update namespaces set state = 'erased' where name = '{name}'");
    app.db.as_superuser(&erase).await;
    app.clock.advance(Duration::seconds(5));
    assert_eq!(app.namespaces.find_by_name(&name).await.expect("asked"), None);
}

#[tokio::test]
async fn they_are_read_and_listed_a_page_at_a_time() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.reserve(&attempt()).await.id);
        app.clock.advance(Duration::SECOND);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .namespaces
            .list(&platform(), wire::ListRequest { limit: 2, cursor })
            .await
            .expect("a page");
        assert!(page.namespaces.len() <= 2);
        seen.extend(page.namespaces.into_iter().map(|n| n.id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids, "oldest first, each once");

    let by_id = app
        .namespaces
        .get(
            &platform(),
            wire::GetRequest {
                id: ids[0].clone(),
                name: String::new(),
            },
        )
        .await;
    let one = by_id.expect("there").namespace.expect("a namespace");
    let by_name = app
        .namespaces
        .get(
            &platform(),
            wire::GetRequest {
                id: String::new(),
                name: one.name.clone(),
            },
        )
        .await;
    assert_eq!(by_name.expect("there").namespace.expect("a namespace"), one);
    let nobody = wire::GetRequest {
        id: String::new(),
        name: "no-such-name".into(),
    };
    assert_eq!(
        app.namespaces.get(&platform(), nobody).await.expect_err("none").kind(),
        Kind::NotFound
    );
}

#[tokio::test]
async fn only_the_platform_may_ask() {
    let app = TestApp::start().await;
    for stranger in [Caller::anonymous(), authority().verified(principal("ada-ns", "ada"))] {
        let refused = [
            app.namespaces
                .reserve(&stranger, wire::ReserveRequest::default())
                .await
                .err(),
            app.namespaces
                .provision(&stranger, wire::ProvisionRequest::default())
                .await
                .err(),
            app.namespaces
                .release(&stranger, wire::ReleaseRequest::default())
                .await
                .err(),
            app.namespaces.get(&stranger, wire::GetRequest::default()).await.err(),
            app.namespaces.list(&stranger, wire::ListRequest::default()).await.err(),
        ];
        assert!(
            refused
                .iter()
                .all(|e| e.as_ref().map(micro_error::Error::kind) == Some(Kind::Forbidden))
        );
    }
}
