//! Rules, as tenants keep them and as doors read them.

use micro_proto::auth::{Access, CreateRequest, DeleteRequest, ListRequest, Resource, Rule, Rules};
use micro_tenancy::{
    Caller,
    rules::{Decision, Resource as Asked, Rulebook, decide},
};
use time::Duration;

use crate::world::{World, namespace_of, words};

async fn ada(world: &World) -> Caller {
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let token = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    world.holder(&token).await.expect("good")
}

fn public(id: &str) -> CreateRequest {
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
    CreateRequest {
        rule: Some(rule),
        options: None,
    }
}

async fn listed(world: &World, caller: &Caller) -> Vec<(String, String)> {
    let rules = world
        .auth
        .list(caller, ListRequest::default())
        .await
        .expect("own")
        .rules;
    rules.into_iter().map(|rule| (rule.id, rule.scope)).collect()
}

async fn anyone_may_call(world: &World) -> bool {
    let namespace = namespace_of("ada-ns");
    let rules = world.auth.rules(&namespace).await.expect("read");
    decide(&rules, None, &namespace, &Asked::service("greeter", "Greeter.Hello")) == Decision::Granted
}

fn pair(id: &str, scope: &str) -> (String, String) {
    (id.into(), scope.into())
}

#[tokio::test]
async fn the_platform_starts_closed_and_a_local_server_open() {
    let world = World::platform();
    let ada = ada(&world).await;
    assert_eq!(listed(&world, &ada).await, [pair("default", "*")]);
    assert!(!anyone_may_call(&world).await);
    assert!(anyone_may_call(&World::local()).await);
}

#[tokio::test]
async fn a_rule_counts_at_once_at_the_doors_of_this_process() {
    let world = World::platform();
    let ada = ada(&world).await;
    assert!(!anyone_may_call(&world).await);
    world.auth.create(&ada, public("open")).await.expect("made");
    assert!(anyone_may_call(&world).await);
    assert_eq!(listed(&world, &ada).await, [pair("default", "*"), pair("open", "")]);
    world
        .auth
        .delete(
            &ada,
            DeleteRequest {
                id: "open".into(),
                options: None,
            },
        )
        .await
        .expect("deleted");
    assert!(!anyone_may_call(&world).await);
}

#[tokio::test]
async fn other_replicas_see_a_rule_within_five_seconds() {
    let (world, ada) = {
        let world = World::platform();
        let ada = ada(&world).await;
        (world, ada)
    };
    let other = world.replica();
    assert!(!anyone_may_call(&other).await);
    world.auth.create(&ada, public("open")).await.expect("made");
    world.clock.advance(Duration::seconds(5));
    assert!(anyone_may_call(&other).await);
}

#[tokio::test]
async fn the_default_may_be_deleted_beside_another_and_comes_back_with_the_last() {
    let world = World::platform();
    let ada = ada(&world).await;
    let delete = |id: &str| DeleteRequest {
        id: id.into(),
        options: None,
    };
    let alone = "The default rule stands while there is no other: create one, then delete it".to_owned();
    assert_eq!(words(world.auth.delete(&ada, delete("default")).await), (400, alone));
    world.auth.create(&ada, public("open")).await.expect("made");
    world.auth.delete(&ada, delete("default")).await.expect("deleted");
    assert_eq!(listed(&world, &ada).await, [pair("open", "")]);
    world.auth.delete(&ada, delete("open")).await.expect("deleted");
    assert_eq!(listed(&world, &ada).await, [pair("default", "*")]);
    assert_eq!(
        words(world.auth.delete(&ada, delete("open")).await),
        (400, "Rule not found".into())
    );
    assert_eq!(
        words(world.auth.delete(&ada, delete("")).await),
        (400, "ID missing".into())
    );
}

#[tokio::test]
async fn an_incomplete_rule_is_refused_in_micros_words() {
    let world = World::platform();
    let ada = ada(&world).await;
    let with = |change: fn(&mut Rule)| {
        let mut request = public("open");
        request.rule.as_mut().map(change).expect("a rule");
        request
    };
    let cases = [
        (CreateRequest::default(), "Rule missing"),
        (with(|r| r.id.clear()), "ID missing"),
        (with(|r| r.resource = None), "Resource missing"),
        (with(|r| r.access = 0), "Access missing"),
        (with(|r| r.id = "default".into()), "A rule with this ID already exists"),
    ];
    for (request, text) in cases {
        assert_eq!(words(world.auth.create(&ada, request).await), (400, text.into()));
    }
    world.auth.create(&ada, public("open")).await.expect("made");
    let again = words(world.auth.create(&ada, public("open")).await);
    assert_eq!(again, (400, "A rule with this ID already exists".into()));
    let nobody = words(world.auth.create(&Caller::anonymous(), public("x")).await);
    assert_eq!(nobody, (401, "An account is required".into()));
}
