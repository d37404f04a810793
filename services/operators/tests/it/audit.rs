//! The audit log.

use micro_proto::operators::{Customers, Jobs, ListCustomersRequest, ListJobsRequest, ShowCustomerRequest};
use micro_tenancy::SystemTask;

use crate::world::{ADA, World};

#[tokio::test]
async fn every_look_is_written_down_without_addresses() {
    let world = World::new().await;
    let admin = world.admin().await;
    let look = |email: &str| ShowCustomerRequest { email: email.into() };
    Customers::list(&world.service, &admin, ListCustomersRequest::default())
        .await
        .expect("a page");
    Customers::show(&world.service, &admin, look("ada@example.com"))
        .await
        .expect("known");
    Customers::show(&world.service, &admin, look("eve@example.com"))
        .await
        .expect_err("unknown");
    Jobs::list(&world.service, &admin, ListJobsRequest::default())
        .await
        .expect("a page");
    let mut seen = world.audit().await;
    seen.sort();
    let shown = format!("customers.show|{ADA}|");
    assert_eq!(
        seen,
        [
            "customers.list||",
            &shown,
            "customers.show|unknown|",
            "jobs.list||",
            "login||"
        ]
    );
}

#[tokio::test]
async fn the_server_itself_cannot_change_what_is_written() {
    let world = World::new().await;
    world.admin().await;
    for statement in ["update audit set reason = 'x'", "delete from audit"] {
        let mut tx = world.db.system(SystemTask::Operators).begin().await.expect("begun");
        let refused = sqlx::query(statement)
            .execute(tx.conn())
            .await
            .expect_err("append only");
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
    assert_eq!(world.audit().await, ["login||"]);
}
