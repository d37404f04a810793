//! Getting in.

use micro_clock::Clock;
use micro_proto::auth::{Auth, InspectRequest, TokenRequest};
use micro_tenancy::{Caller, Reach, tokens::Exchange};
use secrecy::ExposeSecret;
use time::Duration;

use crate::world::{World, words};

#[tokio::test]
async fn a_fresh_local_server_lets_admin_in_with_micro() {
    let world = World::local();
    let token = world
        .log_in("", "admin", "micro")
        .await
        .expect("the default administrator");
    let admin = world.holder(&token).await.expect("good");
    let principal = admin.account().expect("an account");
    assert_eq!((principal.name.as_str(), principal.reach), ("admin", Reach::Local));
    assert_eq!(
        admin
            .enter_as_admin("any-namespace")
            .expect("local")
            .namespace()
            .name
            .as_str(),
        "any-namespace"
    );
}

#[tokio::test]
async fn a_platform_has_no_default_administrator() {
    let world = World::platform();
    assert_eq!(
        words(world.log_in("", "admin", "micro").await),
        (400, "Account or secret not correct".into())
    );
}

#[tokio::test]
async fn locally_micros_own_words_say_what_was_wrong() {
    let world = World::local();
    assert_eq!(
        words(world.log_in("", "admin", "wrong").await),
        (400, "Secret not correct".into())
    );
    assert_eq!(
        words(world.log_in("", "nobody", "wrong").await),
        (400, "Account not found with this ID".into())
    );
    let empty = world.auth.token(&Caller::anonymous(), TokenRequest::default()).await;
    assert_eq!(words(empty), (400, "Credentials or a refresh token required".into()));
}

#[tokio::test]
async fn on_the_platform_a_wrong_secret_and_an_unknown_account_sound_the_same() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let wrong = words(world.log_in("ada-ns", "ada@example.com", "wrong").await);
    let unknown = words(world.log_in("ada-ns", "bob@example.com", "wrong").await);
    let no_namespace = words(world.log_in("bobs-ns", "bob@example.com", "wrong").await);
    let no_address = words(world.log_in("", "bob@example.com", "wrong").await);
    assert_eq!(wrong, (400, "Account or secret not correct".into()));
    assert_eq!([&unknown, &no_namespace, &no_address], [&wrong; 3]);
}

#[tokio::test]
async fn an_address_alone_finds_its_namespace() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    for named in ["", "micro", "ada-ns"] {
        let token = world
            .log_in(named, "Ada@Example.com", "correct horse")
            .await
            .expect("known");
        let caller = world.holder(&token).await.expect("good");
        let principal = caller.account().expect("an account");
        assert_eq!(principal.namespace.name.as_str(), "ada-ns");
        assert_eq!(principal.reach, Reach::Own);
    }
}

#[tokio::test]
async fn an_address_of_several_namespaces_is_told_them_once_the_secret_is_right() {
    let world = World::platform();
    world.sign_up("ada-one", "ada@example.com", "correct horse").await;
    world.sign_up("ada-two", "ada@example.com", "correct horse").await;
    world.sign_up("ada-three", "ada@example.com", "another").await;
    let wrong = words(world.log_in("", "ada@example.com", "wrong").await);
    assert_eq!(wrong, (400, "Account or secret not correct".into()));
    let (code, text) = words(world.log_in("", "ada@example.com", "correct horse").await);
    assert_eq!(code, 409);
    assert!(
        text.contains("ada-one, ada-two") && !text.contains("ada-three"),
        "{text}"
    );
    assert!(
        world
            .log_in("ada-two", "ada@example.com", "correct horse")
            .await
            .is_ok()
    );
    assert!(
        world.log_in("", "ada@example.com", "another").await.is_ok(),
        "only one is meant"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_by_account() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    for n in 0..5 {
        let remote = format!("192.0.2.{n}:1");
        assert_eq!(
            words(world.log_in_from(&remote, "", "ada@example.com", "wrong").await).0,
            400
        );
    }
    assert_eq!(words(world.log_in("", "ada@example.com", "correct horse").await).0, 429);
    world.clock.advance(Duration::MINUTE);
    assert!(world.log_in("", "ada@example.com", "correct horse").await.is_ok());
}

#[tokio::test]
async fn an_accounts_other_names_give_no_more_guesses() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let aliases = ["ada@example.com", "ADA@example.com", "owner-of-ada-ns"];
    let mut guesses = 0;
    for (named, id) in ["ada-ns", "", "micro"]
        .iter()
        .flat_map(|named| aliases.map(|id| (named, id)))
    {
        guesses += usize::from(words(world.log_in(named, id, "wrong").await).0 == 400);
    }
    assert_eq!(guesses, 5 + 2, "and two at names that nobody has where they were tried");
}

#[tokio::test]
async fn guessing_is_slowed_down_by_address() {
    let world = World::local();
    let mut refused = 0;
    for n in 0..70 {
        let tried = world
            .log_in_from(&format!("192.0.2.1:{n}"), "", &format!("user-{n}"), "wrong")
            .await;
        refused += usize::from(words(tried).0 == 429);
    }
    assert_eq!(refused, 10);
    assert_eq!(
        words(world.log_in_from("192.0.2.2:1", "", "user", "wrong").await).0,
        400
    );
}

#[tokio::test]
async fn a_token_never_lasts_longer_than_the_platform_allows() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    for (asked, given) in [(0, 900), (60, 60), (600, 600), (1_000_000, 900), (-5, 900)] {
        let request = TokenRequest {
            id: "ada@example.com".into(),
            secret: "correct horse".into(),
            token_expiry: asked,
            ..Default::default()
        };
        let token = world
            .auth
            .token(&Caller::anonymous(), request)
            .await
            .expect("known")
            .token
            .expect("a token");
        assert_eq!(token.expiry - token.created, given, "asked for {asked}");
    }
}

#[tokio::test]
async fn inspect_says_whose_a_token_is_and_no_secret() {
    let world = World::platform();
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let token = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    let ask = |token: &str| InspectRequest {
        token: token.into(),
        options: None,
    };
    let account = world
        .auth
        .inspect(&Caller::anonymous(), ask(&token.access_token))
        .await
        .expect("good")
        .account;
    let account = account.expect("an account");
    assert_eq!(
        (account.name.as_str(), account.issuer.as_str()),
        ("ada@example.com", "ada-ns")
    );
    assert_eq!((account.r#type.as_str(), account.secret.as_str()), ("user", ""));
    for bad in ["", "nonsense", &token.refresh_token] {
        let refused = words(world.auth.inspect(&Caller::anonymous(), ask(bad)).await);
        assert_eq!(refused, (400, "invalid token provided".into()));
    }
}

#[tokio::test]
async fn an_exchanged_token_is_known_inside_its_namespace_only() {
    let world = World::platform();
    let ada = world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let bob = world.sign_up("bobs-ns", "bob@example.com", "correct horse").await;
    let token = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    let caller = world.holder(&token).await.expect("good");
    let now = world.clock.now();
    let exchanged = world
        .tokens
        .exchange(caller.account().expect("an account"), "ada-ns/greeter", now);
    let ask = || InspectRequest {
        token: exchanged.expose_secret().into(),
        options: None,
    };
    assert!(
        world.auth.inspect(&world.system(&ada), ask()).await.is_err(),
        "a token is not for the platform to ask"
    );
    let instance = |namespace| {
        let id = micro_domain::InstanceId::new(micro_clock::Ids.random());
        world.as_principal(crate::world::service(namespace, "greeter", id))
    };
    let told = world
        .auth
        .inspect(&instance(&ada), ask())
        .await
        .expect("its own")
        .account
        .expect("an account");
    assert_eq!(told.name, "ada@example.com");
    assert!(world.auth.inspect(&instance(&bob), ask()).await.is_err());
    assert!(world.auth.inspect(&Caller::anonymous(), ask()).await.is_err());
}
