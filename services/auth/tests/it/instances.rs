//! The accounts of running instances.

use micro_clock::Ids;
use micro_domain::{InstanceId, Namespace};
use micro_error::Error;
use micro_proto::auth::{Auth, GenerateRequest, Token, TokenRequest};
use micro_rpc::mesh::Credentials;
use micro_tenancy::{AccountKind, Caller};
use secrecy::ExposeSecret;
use time::Duration;

use crate::world::{World, namespace_of, service, words};

struct Instance {
    namespace: Namespace,
    id: InstanceId,
    door: Caller,
    secret: String,
}

async fn start(world: &World) -> Instance {
    let (namespace, id) = (namespace_of("ada-ns"), InstanceId::new(Ids.random()));
    let principal = service(&namespace, "greeter", id);
    let secret = world
        .auth
        .issue(&principal)
        .await
        .expect("issued")
        .secret
        .expose_secret()
        .to_owned();
    Instance {
        namespace,
        id,
        door: world.as_principal(principal),
        secret,
    }
}

/// What an unmodified Go service asks at its start: id, secret, ten minutes.
async fn log_in(world: &World, door: &Caller, secret: &str) -> Result<Token, Error> {
    let id = "greeter-latest".into();
    let request = TokenRequest {
        id,
        secret: secret.into(),
        token_expiry: 600,
        ..Default::default()
    };
    Ok(world.auth.token(door, request).await?.token.expect("a token"))
}

async fn renew(world: &World, door: &Caller, refresh: &str) -> Result<Token, Error> {
    let request = TokenRequest {
        refresh_token: refresh.into(),
        token_expiry: 600,
        ..Default::default()
    };
    Ok(world.auth.token(door, request).await?.token.expect("a token"))
}

#[tokio::test]
async fn a_service_trades_what_its_environment_holds_for_access_and_goes_on_by_itself() {
    let world = World::platform();
    let instance = start(&world).await;
    let mut token = log_in(&world, &instance.door, &instance.secret).await.expect("runs");
    let caller = world.holder(&token).await.expect("good");
    let principal = caller.account().expect("an account");
    assert_eq!(
        (principal.kind, principal.instance),
        (AccountKind::Service, Some(instance.id))
    );
    assert!(caller.enter_as_admin("").is_ok());
    for _ in 0..20 {
        world.clock.advance(Duration::minutes(9));
        token = renew(&world, &instance.door, &token.refresh_token)
            .await
            .expect("still runs");
        assert!(world.holder(&token).await.is_some());
    }
}

#[tokio::test]
async fn nothing_of_an_instance_outlives_it() {
    let world = World::platform();
    let instance = start(&world).await;
    let token = log_in(&world, &instance.door, &instance.secret).await.expect("runs");
    world
        .auth
        .revoke(instance.namespace.id, instance.id)
        .await
        .expect("ended");
    assert!(world.holder(&token).await.is_none());
    let renewed = renew(&world, &instance.door, &token.refresh_token).await;
    assert_eq!(words(renewed), (400, "invalid token provided".into()));
    assert!(log_in(&world, &instance.door, &instance.secret).await.is_err());
}

#[tokio::test]
async fn a_copied_credential_is_worth_nothing_elsewhere() {
    let world = World::platform();
    let (instance, neighbour) = (start(&world).await, start(&world).await);
    for door in [&Caller::anonymous(), &neighbour.door] {
        assert!(log_in(&world, door, &instance.secret).await.is_err());
    }
    let token = log_in(&world, &instance.door, &instance.secret).await.expect("runs");
    assert!(
        renew(&world, &Caller::anonymous(), &token.access_token).await.is_err(),
        "access renews nothing"
    );
}

#[tokio::test]
async fn an_instance_that_slept_past_its_credentials_end_comes_back_through_its_own_door() {
    let world = World::platform();
    let instance = start(&world).await;
    world.clock.advance(Duration::hours(5));
    assert!(log_in(&world, &instance.door, &instance.secret).await.is_ok());
    assert!(log_in(&world, &Caller::anonymous(), &instance.secret).await.is_err());
}

#[tokio::test]
async fn the_runtime_may_ask_over_the_wire_too() {
    let world = World::platform();
    let (namespace, id) = (namespace_of("ada-ns"), InstanceId::new(Ids.random()));
    let request = GenerateRequest {
        id: "greeter-latest".into(),
        r#type: "service".into(),
        metadata: [("instance".to_owned(), id.to_string())].into(),
        ..Default::default()
    };
    let made = world
        .auth
        .generate(&world.runtime(&namespace), request)
        .await
        .expect("made")
        .account
        .expect("one");
    let door = world.as_principal(service(&namespace, "greeter", id));
    assert!(log_in(&world, &door, &made.secret).await.is_ok());
}

#[tokio::test]
async fn a_service_logs_its_own_users_in_without_naming_its_namespace() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let instance = start(&world).await;
    let request = |secret: &str| TokenRequest {
        id: "owner-of-ada-ns".into(),
        secret: secret.into(),
        ..Default::default()
    };
    let token = world
        .auth
        .token(&instance.door, request("correct horse"))
        .await
        .expect("its user")
        .token;
    let user = world.holder(&token.expect("a token")).await.expect("good");
    assert_eq!(user.account().expect("an account").instance, None);
    assert_eq!(words(world.auth.token(&instance.door, request("wrong")).await).0, 400);
}
