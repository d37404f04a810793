//! Accounts of a namespace.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use micro_proto::auth::{
    Account, Accounts, Auth, ChangeSecretRequest, DeleteAccountRequest, GenerateRequest, ListAccountsRequest, Options,
    SealSecretRequest, Sessions,
};
use micro_storage::{
    StoreError,
    memory::MemoryRecords,
    records::{Key, Record, Records, Scan, Usage, Write, Written},
};
use micro_tenancy::{Caller, Tenant};
use time::OffsetDateTime;

use crate::world::{World, namespace_of, words};

async fn admin(world: &World) -> Caller {
    let token = world
        .log_in("", "admin", "micro")
        .await
        .expect("the default administrator");
    world.holder(&token).await.expect("good")
}

async fn ada(world: &World) -> Caller {
    world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
    let token = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    world.holder(&token).await.expect("good")
}

fn new(id: &str) -> GenerateRequest {
    GenerateRequest {
        id: id.into(),
        ..Default::default()
    }
}

async fn generate(world: &World, caller: &Caller, request: GenerateRequest) -> Account {
    world
        .auth
        .generate(caller, request)
        .await
        .expect("made")
        .account
        .expect("an account")
}

#[tokio::test]
async fn an_account_gets_defaults_and_its_secret_is_shown_once() {
    let world = World::platform();
    let ada = ada(&world).await;
    let made = generate(&world, &ada, new("bot")).await;
    assert_eq!(
        (made.name.as_str(), made.r#type.as_str(), made.issuer.as_str()),
        ("bot", "user", "ada-ns")
    );
    assert_eq!(made.secret.len(), 43, "32 bytes of randomness");
    assert!(world.log_in("ada-ns", "bot", &made.secret).await.is_ok());
    let listed = world
        .auth
        .list(&ada, ListAccountsRequest::default())
        .await
        .expect("admin")
        .accounts;
    assert_eq!(
        listed.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(),
        ["bot", "owner-of-ada-ns"]
    );
    assert!(listed.iter().all(|a| a.secret.is_empty()));
}

#[tokio::test]
async fn an_id_and_a_name_belong_to_one_account() {
    let world = World::local();
    let admin = admin(&world).await;
    let named = GenerateRequest {
        name: "Bot".into(),
        secret: "s".into(),
        ..new("bot")
    };
    generate(&world, &admin, named.clone()).await;
    assert!(world.log_in("", "Bot", "s").await.is_ok(), "a name logs in too");
    let again = world.auth.generate(&admin, named.clone()).await;
    assert_eq!(words(again), (400, "Account with this ID already exists".into()));
    let same_name = world
        .auth
        .generate(
            &admin,
            GenerateRequest {
                id: "other".into(),
                ..named
            },
        )
        .await;
    assert_eq!(words(same_name), (400, "Account with this Name already exists".into()));
    assert_eq!(
        words(world.auth.generate(&admin, new("")).await),
        (400, "ID required".into())
    );
    for bad in ["a\u{1}b", "a\nb", &"x".repeat(300)] {
        assert_eq!(words(world.auth.generate(&admin, new(bad)).await).0, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn only_administrators_make_list_and_delete_and_only_at_home() {
    let world = World::platform();
    let ada = ada(&world).await;
    world.sign_up("bobs-ns", "bob@example.com", "correct horse").await;
    let made = generate(&world, &ada, new("plain")).await;
    let token = world.log_in("ada-ns", "plain", &made.secret).await.expect("known");
    let plain = world.holder(&token).await.expect("good");
    assert_eq!(
        words(world.auth.generate(&plain, new("x")).await),
        (401, "Unauthorized".into())
    );
    assert_eq!(
        words(world.auth.list(&plain, ListAccountsRequest::default()).await),
        (401, "Unauthorized".into())
    );
    let anyone = Caller::anonymous();
    assert_eq!(
        words(world.auth.generate(&anyone, new("x")).await),
        (401, "An account is required".into())
    );
    for elsewhere in ["bobs-ns", "nowhere", "micro"] {
        let options = Some(Options {
            namespace: elsewhere.into(),
        });
        let listed = world.auth.list(&ada, ListAccountsRequest { options }).await;
        assert_eq!(words(listed), (403, "Access denied to namespace".into()));
    }
}

#[tokio::test]
async fn a_deleted_account_is_out_at_once_everywhere() {
    let world = World::platform();
    let ada = ada(&world).await;
    let made = generate(&world, &ada, new("bot")).await;
    let token = world.log_in("ada-ns", "bot", &made.secret).await.expect("known");
    let delete = |id: &str| DeleteAccountRequest {
        id: id.into(),
        options: None,
    };
    world.auth.delete(&ada, delete("bot")).await.expect("deleted");
    assert!(world.holder(&token).await.is_none());
    assert!(world.refresh(&token.refresh_token).await.is_err());
    assert!(world.log_in("ada-ns", "bot", &made.secret).await.is_err());
    assert_eq!(
        words(world.auth.delete(&ada, delete("bot")).await).1,
        "Account not found with this ID"
    );
    assert_eq!(words(world.auth.delete(&ada, delete("")).await).1, "Missing ID");
    let own = world.auth.delete(&ada, delete("owner-of-ada-ns")).await;
    assert_eq!(words(own).1, "Can't delete your own account");
    generate(&world, &ada, new("bot")).await;
}

#[tokio::test]
async fn ones_own_secret_changes_with_the_old_one_and_other_sessions_end() {
    let world = World::platform();
    let ada = ada(&world).await;
    let elsewhere = world
        .log_in("", "ada@example.com", "correct horse")
        .await
        .expect("known");
    let change = |old: &str, new: &str| ChangeSecretRequest {
        id: "owner-of-ada-ns".into(),
        old_secret: old.into(),
        new_secret: new.into(),
        options: None,
    };
    let wrong = world.auth.change_secret(&ada, change("wrong", "new")).await;
    assert_eq!(words(wrong), (400, "Secret not correct".into()));
    assert_eq!(
        words(world.auth.change_secret(&ada, change("", "")).await).1,
        "New secret should not be blank"
    );
    world
        .auth
        .change_secret(&ada, change("correct horse", "new"))
        .await
        .expect("changed");
    assert!(world.holder(&elsewhere).await.is_none());
    let own = ada.account().expect("an account").session;
    assert!(own.is_some());
    assert!(world.log_in("", "ada@example.com", "new").await.is_ok());
    assert!(world.log_in("", "ada@example.com", "correct horse").await.is_err());
}

#[tokio::test]
async fn an_administrator_sets_the_secret_of_others_without_the_old_one_and_a_service_does_not() {
    let world = World::platform();
    let ada = ada(&world).await;
    let made = generate(
        &world,
        &ada,
        GenerateRequest {
            secret: "old".into(),
            ..new("bot")
        },
    )
    .await;
    let service = GenerateRequest {
        r#type: "service".into(),
        scopes: vec!["service".into()],
        ..new("svc")
    };
    let service = generate(&world, &ada, service).await;
    let token = world.log_in("ada-ns", "svc", &service.secret).await.expect("known");
    let service = world.holder(&token).await.expect("good");
    let change = || ChangeSecretRequest {
        id: made.id.clone(),
        new_secret: "new".into(),
        ..Default::default()
    };
    assert_eq!(
        words(world.auth.change_secret(&service, change()).await),
        (400, "Secret not correct".into())
    );
    world.auth.change_secret(&ada, change()).await.expect("changed");
    assert!(world.log_in("ada-ns", "bot", "new").await.is_ok());
}

#[tokio::test]
async fn a_local_administrator_may_leave_the_old_secret_out_but_not_get_it_wrong() {
    let world = World::local();
    let admin = admin(&world).await;
    let change = |old: &str, new: &str| ChangeSecretRequest {
        id: "admin".into(),
        old_secret: old.into(),
        new_secret: new.into(),
        options: None,
    };
    let wrong = world.auth.change_secret(&admin, change("mcro", "new")).await;
    assert_eq!(words(wrong), (400, "Secret not correct".into()));
    world
        .auth
        .change_secret(&admin, change("micro", "new"))
        .await
        .expect("right");
    world
        .auth
        .change_secret(&admin, change("", "newer"))
        .await
        .expect("forgotten");
    assert!(world.log_in("", "admin", "newer").await.is_ok());
}

#[tokio::test]
async fn a_sealed_secret_opens_nothing_but_the_account_it_is_given_to() {
    let world = World::platform();
    let ada = ada(&world).await;
    let sealed = world.auth.seal(&ada, SealSecretRequest { secret: "x".into() }).await;
    assert_eq!(words(sealed), (403, "Access denied".into()));
    let again = world.sign_up("ada-ns", "ada@example.com", "battery staple").await;
    assert_eq!(again.name.as_str(), "ada-ns");
    assert!(
        world
            .log_in("ada-ns", "ada@example.com", "battery staple")
            .await
            .is_ok(),
        "the later one counts"
    );
    assert!(
        world
            .log_in("ada-ns", "ada@example.com", "correct horse")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_last_administrator_is_not_deleted_by_a_service_and_another_one_may_be() {
    let world = World::platform();
    let ada = ada(&world).await;
    let service = GenerateRequest {
        r#type: "service".into(),
        scopes: vec!["service".into()],
        ..new("svc")
    };
    let service = generate(&world, &ada, service).await;
    let token = world.log_in("ada-ns", "svc", &service.secret).await.expect("known");
    let service = world.holder(&token).await.expect("good");
    let refused = world.auth.delete(&service, deletion("owner-of-ada-ns")).await;
    let said = "This is the last account that may manage the namespace: make another one with scope admin first";
    assert_eq!(words(refused), (409, said.into()));
    assert!(world.log_in("", "ada@example.com", "correct horse").await.is_ok());

    generate(&world, &ada, administrator("eve")).await;
    world
        .auth
        .delete(&service, deletion("owner-of-ada-ns"))
        .await
        .expect("eve may");
}

#[tokio::test]
async fn two_administrators_who_delete_each_other_leave_one() {
    for _ in 0..10 {
        let world = World::platform();
        let ada = ada(&world).await;
        let eve = generate(&world, &ada, administrator("eve")).await;
        let token = world.log_in("ada-ns", "eve", &eve.secret).await.expect("known");
        let eve = world.holder(&token).await.expect("good");
        let (one, other) = tokio::join!(
            world.auth.delete(&ada, deletion("eve")),
            world.auth.delete(&eve, deletion("owner-of-ada-ns"))
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn a_deleted_account_is_out_at_other_replicas_when_they_look() {
    let world = World::platform();
    let ada = ada(&world).await;
    let made = generate(&world, &ada, new("bot")).await;
    let token = world.log_in("ada-ns", "bot", &made.secret).await.expect("known");
    let other = world.replica();
    assert!(other.holder(&token).await.is_some());
    world.auth.delete(&ada, deletion("bot")).await.expect("deleted");
    other.auth.load_revocations().await.expect("read");
    assert!(other.holder(&token).await.is_none());
    assert!(other.refresh(&token.refresh_token).await.is_err());
}

#[tokio::test]
async fn a_deletion_that_came_half_way_is_finished_by_the_next() {
    let records = Arc::new(Failing::default());
    let world = World::platform_on(records.clone());
    let ada = ada(&world).await;
    let made = generate(&world, &ada, new("bot")).await;
    let token = world.log_in("ada-ns", "bot", &made.secret).await.expect("known");
    // The account goes, and then the database does.
    records.writes_left.store(1, Ordering::SeqCst);
    world.auth.delete(&ada, deletion("bot")).await.expect_err("cut short");
    records.writes_left.store(usize::MAX, Ordering::SeqCst);
    world.auth.delete(&ada, deletion("bot")).await.expect("finished");
    assert!(world.holder(&token).await.is_none(), "what it was given is void");
    world.auth.delete(&ada, deletion("bot")).await.expect_err("it is gone");
}

/// As a login does whose last step runs after the account was deleted.
#[tokio::test]
async fn a_session_that_a_deletion_missed_is_not_that_of_the_next_account_of_its_id() {
    let world = World::platform();
    let ada = ada(&world).await;
    let made = generate(&world, &ada, new("bot")).await;
    let token = world.log_in("ada-ns", "bot", &made.secret).await.expect("known");
    let namespace = namespace_of("ada-ns");
    let mut missed = world.sessions(&namespace).await;
    missed.retain(|session| session.key.starts_with("bot"));
    assert_eq!(missed.len(), 1);
    world.auth.delete(&ada, deletion("bot")).await.expect("deleted");
    world.put_sessions(&namespace, missed).await;

    generate(&world, &ada, new("bot")).await;
    assert!(world.refresh(&token.refresh_token).await.is_err());
    let left = world.sessions(&namespace).await;
    assert!(
        left.iter().all(|session| !session.key.starts_with("bot")),
        "it has ended"
    );
}

fn deletion(id: &str) -> DeleteAccountRequest {
    DeleteAccountRequest {
        id: id.into(),
        options: None,
    }
}

fn administrator(id: &str) -> GenerateRequest {
    GenerateRequest {
        scopes: vec!["admin".into()],
        ..new(id)
    }
}

/// Memory that takes so many writes more.
struct Failing {
    inner: MemoryRecords,
    writes_left: AtomicUsize,
}

impl Default for Failing {
    fn default() -> Self {
        Self {
            inner: MemoryRecords::default(),
            writes_left: AtomicUsize::new(usize::MAX),
        }
    }
}

#[async_trait]
impl Records for Failing {
    async fn get(&self, of: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(of, keys, now).await
    }
    async fn write(&self, of: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        let left = self
            .writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        match left {
            Ok(_) => self.inner.write(of, batch, now).await,
            Err(_) => Err(StoreError::Failed("the disk is full".into())),
        }
    }
    async fn usage(&self, of: &Tenant) -> Result<Usage, StoreError> {
        self.inner.usage(of).await
    }
    async fn scan(&self, of: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        self.inner.scan(of, scan, now).await
    }
    async fn tables(&self, of: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.tables(of).await
    }
    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(now, limit).await
    }
    async fn erase(&self, of: &Tenant) -> Result<(), StoreError> {
        self.inner.erase(of).await
    }
}
