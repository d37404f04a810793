//! Secrets of all namespaces, sealed anew.

use std::sync::atomic::Ordering;

use futures::TryStreamExt;
use micro_domain::OperatorId;
use micro_error::Error;
use micro_proto::operators::{RotateSecretsProgress, RotateSecretsRequest, Secrets};
use micro_tenancy::{Caller, OperatorRole};
use micro_testkit::authority;

use crate::world::{ADA, BOB, World};

async fn rotate(world: &World, caller: &Caller, reason: &str) -> Result<Vec<RotateSecretsProgress>, Error> {
    let request = RotateSecretsRequest {
        reason: reason.into(),
        cursor: String::new(),
    };
    world.service.rotate(caller, request).await?.try_collect().await
}

fn told(progress: &[RotateSecretsProgress]) -> Vec<(&str, u64, &str)> {
    progress
        .iter()
        .map(|told| (told.namespace_id.as_str(), told.sealed, told.error.as_str()))
        .collect()
}

#[tokio::test]
async fn each_namespace_is_told_of_and_a_second_run_finds_nothing_to_do() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.secrets.old.lock().expect("not poisoned").insert(ADA.into(), 3);
    let first = rotate(&world, &admin, " the yearly rotation ").await.expect("done");
    assert_eq!(told(&first), [(ADA, 3, ""), (BOB, 0, "")]);
    let second = rotate(&world, &admin, "to be sure").await.expect("done");
    assert_eq!(told(&second), [(ADA, 0, ""), (BOB, 0, "")]);
    let mut audit = world.audit().await;
    audit.retain(|row| row.starts_with("secrets."));
    // All of it happened at one time: the test's.
    audit.sort();
    assert_eq!(
        audit,
        [
            "secrets.rotated|2 namespaces, 0 secrets, 0 failed|",
            "secrets.rotated|2 namespaces, 3 secrets, 0 failed|",
            "secrets.rotate|all|the yearly rotation",
            "secrets.rotate|all|to be sure",
        ]
    );
}

#[tokio::test]
async fn one_namespace_that_fails_keeps_nobody_from_being_done() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.secrets.old.lock().expect("not poisoned").insert(BOB.into(), 2);
    world.secrets.bobs_key_is_gone.store(true, Ordering::Relaxed);
    let first = rotate(&world, &admin, "rotation").await.expect("done");
    assert_eq!(
        told(&first),
        [(ADA, 0, ""), (BOB, 0, "this server has no key 1234")],
        "bob's are as they were"
    );
    world.secrets.bobs_key_is_gone.store(false, Ordering::Relaxed);
    let second = rotate(&world, &admin, "with the key").await.expect("done");
    assert_eq!(told(&second), [(ADA, 0, ""), (BOB, 2, "")]);
}

#[tokio::test]
async fn only_an_administrator_with_a_reason_rotates() {
    let world = World::new().await;
    let admin = world.admin().await;
    let refused = rotate(&world, &admin, " ").await.expect_err("no reason");
    assert_eq!(refused.id(), "operators.reason");
    let billing = authority().operator(OperatorId::new(uuid::Uuid::nil()), OperatorRole::Billing);
    let refused = rotate(&world, &billing, "why").await.expect_err("not an administrator");
    assert_eq!(refused.id(), "operators.role");
    let refused = rotate(&world, &Caller::anonymous(), "why").await.expect_err("nobody");
    assert_eq!(refused.id(), "operators.login");
    assert!(world.audit().await.iter().all(|row| !row.starts_with("secrets.")));
}
