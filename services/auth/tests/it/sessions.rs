//! Staying in, and getting out.

use micro_proto::auth::{EndSessionRequest, Sessions, StartSessionRequest, Token};
use micro_tenancy::Caller;
use time::Duration;

use crate::world::{World, words};

async fn ada(world: &World) -> Token {
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known")
}

#[tokio::test]
async fn a_refresh_token_is_used_up_by_its_use() {
    let world = World::platform();
    let first = ada(&world).await;
    let second = world.refresh(&first.refresh_token).await.expect("good");
    assert_ne!(second.refresh_token, first.refresh_token);
    assert!(world.holder(&second).await.is_some());
    let third = world.refresh(&second.refresh_token).await.expect("good");
    assert!(world.refresh(&third.refresh_token).await.is_ok());
}

#[tokio::test]
async fn for_a_minute_the_same_successor_is_given_again() {
    let world = World::platform();
    let first = ada(&world).await;
    let second = world.refresh(&first.refresh_token).await.expect("good");
    let third = world.refresh(&second.refresh_token).await.expect("good");
    world.clock.advance(Duration::seconds(59));
    let lost_answer = world.refresh(&first.refresh_token).await.expect("within the minute");
    assert_eq!(lost_answer.refresh_token, second.refresh_token);
    let other_terminal = world.refresh(&second.refresh_token).await.expect("within the minute");
    assert_eq!(other_terminal.refresh_token, third.refresh_token);
}

#[tokio::test]
async fn a_token_used_again_later_ends_the_session_for_both_holders() {
    let world = World::platform();
    let first = ada(&world).await;
    let second = world.refresh(&first.refresh_token).await.expect("good");
    world.clock.advance(Duration::seconds(61));
    assert_eq!(
        words(world.refresh(&first.refresh_token).await),
        (400, "invalid token provided".into())
    );
    assert_eq!(
        words(world.refresh(&second.refresh_token).await),
        (400, "invalid token provided".into())
    );
    assert!(world.holder(&second).await.is_none(), "access ends with the session");
}

#[tokio::test]
async fn a_made_up_token_harms_nobody() {
    let world = World::platform();
    let first = ada(&world).await;
    let mut forged = first.refresh_token.clone();
    forged.replace_range(60..64, "AAAA");
    assert_eq!(
        words(world.refresh(&forged).await),
        (400, "invalid token provided".into())
    );
    assert!(world.refresh(&first.refresh_token).await.is_ok());
}

#[tokio::test]
async fn a_session_left_alone_for_a_month_is_over() {
    let world = World::platform();
    let first = ada(&world).await;
    world.clock.advance(Duration::days(29));
    let second = world.refresh(&first.refresh_token).await.expect("still there");
    world.clock.advance(Duration::days(30));
    assert!(world.refresh(&second.refresh_token).await.is_err());
}

#[tokio::test]
async fn logout_ends_the_session_at_once_and_other_sessions_go_on() {
    let world = World::platform();
    let (here, there) = (
        ada(&world).await,
        world
            .log_in("", "ada@example.com", "correct horse")
            .await
            .expect("known"),
    );
    let caller = world.holder(&here).await.expect("good");
    for _ in 0..2 {
        world
            .auth
            .end(&caller, EndSessionRequest::default())
            .await
            .expect("may be repeated");
    }
    assert!(world.holder(&here).await.is_none());
    assert!(world.refresh(&here.refresh_token).await.is_err());
    assert!(world.holder(&there).await.is_some());
    assert!(world.refresh(&there.refresh_token).await.is_ok());
}

#[tokio::test]
async fn logout_works_with_the_refresh_token_once_access_has_expired() {
    let world = World::platform();
    let token = ada(&world).await;
    world.clock.advance(Duration::hours(2));
    let end = |refresh: &str| EndSessionRequest {
        refresh_token: refresh.into(),
    };
    world
        .auth
        .end(&Caller::anonymous(), end("nonsense"))
        .await
        .expect("nothing to end");
    world
        .auth
        .end(&Caller::anonymous(), end(&token.refresh_token))
        .await
        .expect("ended");
    assert!(world.refresh(&token.refresh_token).await.is_err());
}

#[tokio::test]
async fn other_replicas_learn_of_a_logout_when_they_look() {
    let world = World::platform();
    let token = ada(&world).await;
    let other = world.replica();
    assert!(other.holder(&token).await.is_some());
    let caller = world.holder(&token).await.expect("good");
    world
        .auth
        .end(&caller, EndSessionRequest::default())
        .await
        .expect("ended");
    assert!(other.holder(&token).await.is_some(), "it has not looked");
    other.auth.load_revocations().await.expect("read");
    assert!(other.holder(&token).await.is_none());
    world.clock.advance(Duration::MINUTE);
    let restarted = world.replica();
    restarted.auth.load_revocations().await.expect("read");
    assert!(restarted.holder(&token).await.is_none());
}

#[tokio::test]
async fn a_person_proven_by_code_gets_a_new_secret_and_other_sessions_end() {
    let world = World::platform();
    let before = ada(&world).await;
    let namespace = crate::world::namespace_of("ada-ns");
    let request = || StartSessionRequest {
        account: "owner-of-ada-ns".into(),
        end_others: true,
        new_secret: "battery staple".into(),
    };
    let token = world
        .auth
        .start(&world.system(&namespace), request())
        .await
        .expect("proven")
        .token
        .expect("a token");
    assert!(world.holder(&token).await.is_some());
    assert!(world.holder(&before).await.is_none());
    assert!(world.refresh(&before.refresh_token).await.is_err());
    assert!(world.log_in("", "ada@example.com", "correct horse").await.is_err());
    assert!(world.log_in("", "ada@example.com", "battery staple").await.is_ok());

    let ada = world.holder(&token).await.expect("good");
    assert_eq!(
        words(world.auth.start(&ada, request()).await),
        (403, "Access denied".into())
    );
}
