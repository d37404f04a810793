//! The secret of the first day, and the tokens it gives.

use micro_tenancy::{Caller, OperatorRole};
use micro_testkit::principal;
use secrecy::ExposeSecret;
use time::Duration;

use crate::world::World;

#[tokio::test]
async fn the_first_boot_makes_one_secret_and_keeps_only_its_hash() {
    let world = World::new().await;
    let (one, two) = tokio::join!(world.service.first_boot(), world.service.first_boot());
    let secrets: Vec<_> = [one, two]
        .into_iter()
        .filter_map(|made| made.expect("stored"))
        .collect();
    let [secret] = secrets.as_slice() else {
        panic!("{} secrets", secrets.len())
    };
    assert!(world.service.first_boot().await.expect("read").is_none());
    let stored = world.test.ask_superuser("select o::text from operators o").await;
    assert!(stored.len() == 1 && !stored[0].contains(secret.expose_secret()));
}

#[tokio::test]
async fn a_token_lives_an_hour() {
    let world = World::new().await;
    let token = world.log_in(&world.secret().await).await.expect("its secret");
    let caller = world.service.authenticate(&token).await.expect("read").expect("good");
    assert!(caller.require_operator(OperatorRole::Admin).is_ok());
    world.clock.advance(Duration::minutes(61));
    assert!(world.service.authenticate(&token).await.expect("read").is_none());
    let kept = world.test.ask_superuser("select token_hash from operator_tokens").await;
    assert!(kept.iter().all(|hash| hash != token.expose_secret()));
}

#[tokio::test]
async fn a_wrong_secret_and_a_disabled_operator_get_nothing() {
    let world = World::new().await;
    let secret = world.secret().await;
    let refused = world.log_in(&"mos_0000".into()).await.expect_err("unknown");
    assert_eq!(refused.kind().status(), 401);
    let token = world.log_in(&secret).await.expect("its secret");
    world
        .test
        .as_superuser("update operators set disabled_at = now()")
        .await;
    assert!(world.service.authenticate(&token).await.expect("read").is_none());
    assert!(world.log_in(&secret).await.is_err());
    assert_eq!(
        world
            .audit()
            .await
            .iter()
            .filter(|row| *row == "login.refused||")
            .count(),
        2
    );
}

#[tokio::test]
async fn nobody_else_is_an_operator() {
    use micro_proto::operators::{Customers, ListCustomersRequest};
    let world = World::new().await;
    let tenant = micro_testkit::authority().verified(principal("amber-otter-drift", "ada"));
    for caller in [Caller::anonymous(), tenant] {
        let refused = Customers::list(&world.service, &caller, ListCustomersRequest::default()).await;
        assert_eq!(refused.expect_err("no operator").kind().status(), 401);
    }
}
