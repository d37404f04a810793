//! Where addresses belong.

use micro_error::{Error, Kind};
use micro_proto::namespaces::{self as wire, Identities};
use micro_tenancy::Caller;
use micro_testkit::{authority, principal};

use crate::app::{TestApp, platform};

async fn put(app: &TestApp, email: &str, namespace: &wire::Namespace, account: &str) -> Result<(), Error> {
    let identity = wire::Identity {
        email: email.into(),
        namespace: Some(namespace.clone()),
        account: account.to_owned(),
    };
    app.identities
        .put(
            &platform(),
            wire::PutIdentityRequest {
                identity: Some(identity),
            },
        )
        .await
        .map(drop)
}

async fn find(app: &TestApp, email: &str) -> Vec<wire::Identity> {
    let request = wire::FindIdentityRequest { email: email.into() };
    app.identities
        .find(&platform(), request)
        .await
        .expect("asked")
        .identities
}

#[tokio::test]
async fn an_address_belongs_to_one_namespace() {
    let app = TestApp::start().await;
    let (hers, other) = (app.active().await, app.active().await);
    assert!(find(&app, "ada@example.com").await.is_empty());
    put(&app, "Ada@Example.com", &hers, "a1").await.expect("recorded");
    put(&app, "ada@example.com", &hers, "a1").await.expect("safe to repeat");
    for (namespace, account) in [(&other, "a1"), (&hers, "a2")] {
        let refused = put(&app, "ada@example.com", namespace, account)
            .await
            .expect_err("taken");
        assert_eq!((refused.kind(), refused.id()), (Kind::Conflict, "identities.taken"));
    }
    let found = find(&app, "ADA@example.com").await;
    assert_eq!((found.len(), found[0].account.as_str()), (1, "a1"));
    assert_eq!(found[0].namespace.as_ref().expect("filled"), &hers);
}

#[tokio::test]
async fn it_is_forgotten_only_where_it_is() {
    let app = TestApp::start().await;
    let (hers, other) = (app.active().await, app.active().await);
    put(&app, "ada@example.com", &hers, "a1").await.expect("recorded");
    let remove = |namespace: &wire::Namespace| wire::RemoveIdentityRequest {
        email: "ada@example.com".into(),
        namespace_id: namespace.id.clone(),
    };
    app.identities
        .remove(&platform(), remove(&other))
        .await
        .expect("nothing there");
    assert_eq!(find(&app, "ada@example.com").await.len(), 1);
    app.identities
        .remove(&platform(), remove(&hers))
        .await
        .expect("forgotten");
    app.identities
        .remove(&platform(), remove(&hers))
        .await
        .expect("safe to repeat");
    assert!(find(&app, "ada@example.com").await.is_empty());
}

#[tokio::test]
async fn they_are_listed_a_page_at_a_time_and_by_namespace() {
    let app = TestApp::start().await;
    let (one, two) = (app.active().await, app.active().await);
    for (email, namespace) in [
        ("c@example.com", &one),
        ("a@example.com", &one),
        ("b@example.com", &two),
    ] {
        put(&app, email, namespace, email).await.expect("recorded");
    }
    let ask = |limit, cursor: String, namespace_id: &str| wire::ListIdentitiesRequest {
        limit,
        cursor,
        namespace_id: namespace_id.to_owned(),
    };
    let first = app
        .identities
        .list(&platform(), ask(2, String::new(), ""))
        .await
        .expect("a page");
    let last = app
        .identities
        .list(&platform(), ask(2, first.next_cursor.clone(), ""))
        .await
        .expect("a page");
    let emails: Vec<_> = first
        .identities
        .iter()
        .chain(&last.identities)
        .map(|i| i.email.as_str())
        .collect();
    assert_eq!(emails, ["a@example.com", "b@example.com", "c@example.com"]);
    assert!(last.next_cursor.is_empty());
    let of_one = app
        .identities
        .list(&platform(), ask(0, String::new(), &one.id))
        .await
        .expect("a page")
        .identities;
    assert_eq!(
        of_one.iter().map(|i| i.email.as_str()).collect::<Vec<_>>(),
        ["a@example.com", "c@example.com"]
    );
}

#[tokio::test]
async fn only_the_platform_may_ask() {
    let app = TestApp::start().await;
    for stranger in [Caller::anonymous(), authority().verified(principal("ada-ns", "ada"))] {
        let refused = [
            app.identities
                .find(&stranger, wire::FindIdentityRequest::default())
                .await
                .err(),
            app.identities
                .put(&stranger, wire::PutIdentityRequest::default())
                .await
                .err(),
            app.identities
                .remove(&stranger, wire::RemoveIdentityRequest::default())
                .await
                .err(),
            app.identities
                .list(&stranger, wire::ListIdentitiesRequest::default())
                .await
                .err(),
        ];
        assert!(
            refused
                .iter()
                .all(|e| e.as_ref().map(Error::kind) == Some(Kind::Forbidden))
        );
    }
}
