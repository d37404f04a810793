//! Sagas: each step once, resumed where they broke off.

use std::sync::Arc;

use micro_storage::{
    StoreError,
    saga::{Attempt, Run, Saga, failpoints},
};
use micro_tenancy::SystemTask;
use micro_testkit::{TestClock, TestDb};

struct Tea;

impl Saga for Tea {
    const NAME: &'static str = "tea";
    const STEPS: &'static [&'static str] = &["boil", "pour"];
}

async fn open(db: &micro_storage::Db) -> Run<Tea> {
    let id = "6f0e6a5e-2f5b-4b8e-9d7c-5b7f1c1d2e3f".parse().expect("an id");
    Run::open(&db.system(SystemTask::Signup), Arc::new(TestClock::default()), id)
        .await
        .expect("opens")
}

#[tokio::test]
async fn a_recorded_step_is_not_done_again() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let mut run = open(&db).await;
    let degrees: u32 = run
        .step("boil", |attempt| async move {
            assert_eq!(attempt, Attempt::First);
            Ok::<_, StoreError>(96)
        })
        .await
        .expect("boils");
    assert_eq!(degrees, 96);

    let mut resumed = open(&db).await;
    let degrees: u32 = resumed
        .step("boil", |_| async { Err(StoreError::Damaged("ran twice".into())) })
        .await
        .expect("kept");
    assert_eq!((degrees, resumed.outcome("boil").expect("reads")), (96, Some(96)));
}

#[tokio::test]
async fn a_step_that_broke_off_is_told_so() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let broke: Result<u32, StoreError> = open(&db)
        .await
        .step("boil", |_| async { Err(StoreError::Damaged("power cut".into())) })
        .await;
    assert!(broke.is_err());
    let mut resumed = open(&db).await;
    let attempt = resumed.step("boil", |attempt| async move {
        Ok::<_, StoreError>(attempt == Attempt::Again)
    });
    assert!(attempt.await.expect("boils"));
}

#[tokio::test]
async fn a_step_is_undone_once_and_may_be_done_again() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let mut run = open(&db).await;
    run.step("boil", |_| async { Ok::<_, StoreError>(96) })
        .await
        .expect("boils");
    let mut run = open(&db).await;
    run.undo("boil", |degrees: Option<u32>| async move {
        assert_eq!(degrees, Some(96));
        Ok::<_, StoreError>(())
    })
    .await
    .expect("cools");
    let mut run = open(&db).await;
    let never = |_: Option<u32>| async { Err(StoreError::Damaged("undone twice".into())) };
    run.undo("boil", never).await.expect("nothing to undo");
    run.undo("pour", never).await.expect("never begun");
    let attempt = run.step("boil", |attempt| async move {
        Ok::<_, StoreError>(attempt == Attempt::First)
    });
    assert!(attempt.await.expect("boils again"));
}

#[tokio::test]
async fn only_listed_steps_exist_each_with_four_failpoints() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let unknown: Result<(), StoreError> = open(&db).await.step("stir", |_| async { Ok(()) }).await;
    assert!(matches!(unknown, Err(StoreError::Invalid(_))));
    assert_eq!(
        failpoints::<Tea>(),
        [
            "tea.boil.intent",
            "tea.boil.effect",
            "tea.boil.record",
            "tea.boil.reply",
            "tea.pour.intent",
            "tea.pour.effect",
            "tea.pour.record",
            "tea.pour.reply",
        ]
    );
}
