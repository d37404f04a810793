//! Jobs: listed by state, let run again for a reason.

use micro_clock::Clock;
use micro_proto::operators::{Jobs, ListJobsRequest, RetryJobRequest};
use micro_storage::{
    Db,
    jobs::{Job, queue},
};
use micro_tenancy::{OperatorRole, SystemTask};
use micro_testkit::authority;
use serde::{Deserialize, Serialize};

use crate::world::World;

#[derive(Serialize, Deserialize)]
struct Knock;

impl Job for Knock {
    const KIND: &'static str = "knock";
    const TASK: SystemTask = SystemTask::Mail;
}

async fn queue_some(world: &World, count: usize) {
    let db: &Db = &world.db;
    for _ in 0..count {
        let mut tx = db.system(SystemTask::Jobs).begin().await.expect("begun");
        queue(&mut tx, Knock, world.clock.now()).await.expect("queued");
        tx.commit().await.expect("committed");
        world.clock.advance(time::Duration::seconds(1));
    }
}

async fn listed(world: &World, state: &str, limit: u32, cursor: &str) -> (Vec<String>, String) {
    let admin = authority().operator(micro_domain::OperatorId::new(uuid::Uuid::nil()), OperatorRole::Viewer);
    let request = ListJobsRequest {
        state: state.into(),
        limit,
        cursor: cursor.into(),
    };
    let page = world.service.list(&admin, request).await.expect("a page");
    (
        page.jobs
            .into_iter()
            .map(|j| format!("{} {} {}", j.kind, j.state, j.id))
            .collect(),
        page.next_cursor,
    )
}

#[tokio::test]
async fn jobs_are_paged_by_state() {
    let world = World::new().await;
    queue_some(&world, 3).await;
    let (first, cursor) = listed(&world, "", 2, "").await;
    let (second, end) = listed(&world, "", 2, &cursor).await;
    assert_eq!((first.len(), second.len(), end.as_str()), (2, 1, ""));
    assert!(first.iter().chain(&second).all(|job| job.starts_with("knock due ")));
    assert_eq!(listed(&world, "parked", 0, "").await.0.len(), 0);
    world.test.as_superuser("update jobs set claimed_by = 'w'").await;
    assert_eq!(listed(&world, "leased", 0, "").await.0.len(), 3);
}

#[tokio::test]
async fn a_parked_job_runs_again_for_a_reason() {
    let world = World::new().await;
    let admin = world.admin().await;
    queue_some(&world, 1).await;
    world
        .test
        .as_superuser("update jobs set parked_at = now(), attempts = 9")
        .await;
    let (parked, _) = listed(&world, "parked", 0, "").await;
    let id = parked[0].rsplit(' ').next().expect("an id").to_owned();

    let retry = |reason: &str| RetryJobRequest {
        id: id.clone(),
        reason: reason.into(),
    };
    let refused = world.service.retry(&admin, retry("  ")).await.expect_err("no reason");
    assert_eq!(refused.kind().status(), 400);
    let viewer = authority().operator(micro_domain::OperatorId::new(uuid::Uuid::nil()), OperatorRole::Viewer);
    assert_eq!(
        world
            .service
            .retry(&viewer, retry("x"))
            .await
            .expect_err("may only look")
            .kind()
            .status(),
        403
    );

    world
        .service
        .retry(&admin, retry("the mail server is back"))
        .await
        .expect("retried");
    assert_eq!(listed(&world, "due", 0, "").await.0.len(), 1);
    assert!(
        world
            .audit()
            .await
            .contains(&format!("jobs.retry|{id}|the mail server is back"))
    );
    let none = RetryJobRequest {
        id: uuid::Uuid::nil().to_string(),
        reason: "x".into(),
    };
    assert_eq!(
        world
            .service
            .retry(&admin, none)
            .await
            .expect_err("no such job")
            .kind()
            .status(),
        409
    );
}
