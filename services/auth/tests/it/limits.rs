//! What a plan allows: as much and no more, also by many at once.

use futures::future::join_all;
use micro_domain::Limits;
use micro_error::Error;
use micro_proto::auth::{
    Access, Accounts, Auth, CreateRequest, DeleteAccountRequest, DeleteRequest, GenerateRequest, ListAccountsRequest,
    ListRequest, Resource, Rule, Rules,
};
use micro_tenancy::{Caller, Reports, Tenant};

use crate::world::World;

async fn ada(world: &World) -> Caller {
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let token = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    world.holder(&token).await.expect("good")
}

async fn make(world: &World, caller: &Caller, id: &str) -> Result<(), Error> {
    let request = GenerateRequest {
        id: id.into(),
        ..Default::default()
    };
    world.auth.generate(caller, request).await.map(drop)
}

async fn allow(world: &World, caller: &Caller, id: &str) -> Result<(), Error> {
    let resource = Resource {
        name: "greeter".into(),
        r#type: "service".into(),
        endpoint: "*".into(),
    };
    let rule = Rule {
        id: id.into(),
        resource: Some(resource),
        access: Access::Granted.into(),
        ..Default::default()
    };
    let request = CreateRequest {
        rule: Some(rule),
        options: None,
    };
    world.auth.create(caller, request).await.map(drop)
}

async fn used(world: &World, caller: &Caller) -> Vec<(&'static str, u64, u64)> {
    let tenant: Tenant = caller.enter("").expect("own");
    let usage = world.auth.usage(&tenant).await.expect("counted");
    usage.into_iter().map(|u| (u.limit.name, u.used, u.limit.max)).collect()
}

fn refusal(result: Result<(), Error>) -> (i32, String, String) {
    let error = result.expect_err("refused");
    (error.to_wire().code, error.id().to_owned(), error.message().to_owned())
}

fn reached(limit: &str) -> (i32, String, String) {
    let text =
        format!("This namespace has reached its limit of 4 {limit}: 4 in use. `micro account usage` lists all limits");
    (429, format!("limits.{limit}"), text)
}

#[tokio::test]
async fn accounts_to_the_limit_and_not_one_more() {
    let limit = Limits::DEVELOPER.accounts.name;
    let world = World::platform();
    let ada = ada(&world).await;
    for id in ["b", "c", "d"] {
        make(&world, &ada, id).await.expect("room");
    }
    assert_eq!(refusal(make(&world, &ada, "e").await), reached(limit));
    let again = make(&world, &ada, "d").await.expect_err("taken");
    assert_eq!(again.message(), "Account with this ID already exists");
    let listed = Accounts::list(&world.auth, &ada, ListAccountsRequest::default()).await;
    assert_eq!(listed.expect("own").accounts.len(), 4, "nothing changed");
    assert_eq!(used(&world, &ada).await[0], (limit, 4, 4));

    let request = DeleteAccountRequest {
        id: "b".into(),
        options: None,
    };
    Accounts::delete(&world.auth, &ada, request).await.expect("deleted");
    make(&world, &ada, "e").await.expect("room again");
}

#[tokio::test]
async fn rules_to_the_limit_and_not_one_more() {
    let limit = Limits::DEVELOPER.rules.name;
    let world = World::platform();
    let ada = ada(&world).await;
    // The default one counts from the moment on that it stands beside another.
    for id in ["b", "c", "d"] {
        allow(&world, &ada, id).await.expect("room");
    }
    assert_eq!(refusal(allow(&world, &ada, "e").await), reached(limit));
    let listed = Rules::list(&world.auth, &ada, ListRequest::default()).await;
    assert_eq!(listed.expect("own").rules.len(), 4, "nothing changed");
    assert_eq!(used(&world, &ada).await[1], (limit, 4, 4));

    let request = DeleteRequest {
        id: "b".into(),
        options: None,
    };
    Rules::delete(&world.auth, &ada, request).await.expect("deleted");
    allow(&world, &ada, "e").await.expect("room again");
}

#[tokio::test]
async fn many_at_once_get_what_is_left_and_no_more() {
    let world = World::platform();
    let ada = ada(&world).await;
    let (world, ada) = (&world, &ada);
    let names: Vec<_> = (0..20).map(|n| format!("n{n}")).collect();
    let made = join_all(names.iter().map(|id| make(world, ada, id))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 3);
    let ruled = join_all(names.iter().map(|id| allow(world, ada, id))).await;
    assert_eq!(ruled.iter().filter(|made| made.is_ok()).count(), 3);
    assert_eq!(used(world, ada).await, [("accounts", 4, 4), ("rules", 4, 4)]);
    for name in &names {
        let request = DeleteRequest {
            id: name.clone(),
            options: None,
        };
        let _of_those_that_there_are = Rules::delete(&world.auth, ada, request).await;
    }
    assert_eq!(used(world, ada).await[1], ("rules", 1, 4), "the default one");
}
