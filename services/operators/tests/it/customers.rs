//! Customers and namespaces.

use micro_proto::operators::{
    Customers, ListCustomersRequest, ListNamespacesRequest, Namespaces, ShowCustomerRequest, ShowNamespaceRequest,
};

use crate::world::{ADA, BOB, World};

#[tokio::test]
async fn customers_are_shown_with_what_they_pay() {
    let world = World::new().await;
    let admin = world.admin().await;
    let page = Customers::list(&world.service, &admin, ListCustomersRequest::default())
        .await
        .expect("a page");
    let seen: Vec<_> = page
        .customers
        .iter()
        .map(|c| (c.email.as_str(), c.subscription_status.as_str()))
        .collect();
    assert_eq!(seen, [("ada@example.com", "active"), ("bob@example.com", "")]);

    let one = ShowCustomerRequest {
        email: " Ada@Example.com ".into(),
    };
    let ada = Customers::show(&world.service, &admin, one)
        .await
        .expect("known")
        .customer
        .expect("ada");
    assert_eq!(
        (
            ada.namespace.as_str(),
            ada.namespace_id.as_str(),
            ada.subscription.as_str()
        ),
        ("amber-otter-drift", ADA, "sub_1")
    );

    let nobody = ShowCustomerRequest {
        email: "eve@example.com".into(),
    };
    let missing = Customers::show(&world.service, &admin, nobody)
        .await
        .expect_err("unknown");
    assert_eq!(missing.kind().status(), 404);
}

#[tokio::test]
async fn a_namespace_is_found_by_name_and_by_id() {
    let world = World::new().await;
    let admin = world.admin().await;
    let page = Namespaces::list(&world.service, &admin, ListNamespacesRequest::default())
        .await
        .expect("a page");
    assert_eq!((page.namespaces.len(), page.next_cursor.as_str()), (2, "more"));
    for asked in ["brisk-birch-bell", BOB] {
        let request = ShowNamespaceRequest {
            namespace: asked.into(),
        };
        let shown = Namespaces::show(&world.service, &admin, request).await.expect("known");
        assert_eq!(shown.namespace.expect("bob's").id, BOB);
        let emails: Vec<_> = shown.customers.iter().map(|c| c.email.as_str()).collect();
        assert_eq!(emails, ["bob@example.com"]);
    }
    let nothing = ShowNamespaceRequest {
        namespace: "no-such-place".into(),
    };
    let missing = Namespaces::show(&world.service, &admin, nothing)
        .await
        .expect_err("unknown");
    assert_eq!(missing.kind().status(), 404);
}
