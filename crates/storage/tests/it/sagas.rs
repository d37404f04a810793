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

/// Each failpoint ends a real process; the next one goes on where it broke off.
#[cfg(feature = "failpoints")]
mod killed {
    use std::{fs, io::Write, process::Command};

    use super::*;

    const URLS: [&str; 3] = ["MICRO_TEST_SERVING", "MICRO_TEST_SYSTEM", "MICRO_TEST_OWNER"];
    const CUPS: &str = "MICRO_TEST_CUPS";
    /// On every unix.
    const SIGABRT: i32 = 6;

    fn effect(cups: &std::path::Path, what: &str, attempt: Attempt) -> Result<u32, StoreError> {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(cups)
            .map_err(StoreError::failed)?;
        writeln!(file, "{what} {attempt:?}").map_err(StoreError::failed)?;
        Ok(96)
    }

    #[tokio::test]
    #[ignore = "a child process of another test"]
    async fn child_makes_tea() {
        let Some(cups) = std::env::var_os(CUPS).map(std::path::PathBuf::from) else {
            return;
        };
        let [serving, system, owner] = URLS.map(|name| {
            let url = std::env::var_os(name)
                .expect("set by the parent")
                .into_string()
                .expect("text");
            secrecy::SecretString::from(url)
        });
        let urls = micro_storage::Urls { serving, system, owner };
        let db = micro_storage::Db::connect(&urls, Default::default())
            .await
            .expect("connects");
        let mut run = open(&db).await;
        for step in Tea::STEPS {
            let degrees: u32 = run
                .step(step, |attempt| std::future::ready(effect(&cups, step, attempt)))
                .await
                .expect("does it");
            assert_eq!(degrees, 96);
        }
    }

    #[tokio::test]
    async fn at_each_failpoint_it_goes_on_where_it_broke_off() {
        use secrecy::ExposeSecret;
        for name in failpoints::<Tea>() {
            let test = TestDb::new().await;
            let folder = tempfile::tempdir().expect("a temporary folder");
            let cups = folder.path().join("cups");
            let make_tea = |failpoint: &str| {
                let urls = [&test.urls().serving, &test.urls().system, &test.urls().owner];
                Command::new(std::env::current_exe().expect("ourselves"))
                    .args(["--ignored", "--exact", "sagas::killed::child_makes_tea"])
                    .envs(URLS.into_iter().zip(urls.map(|url| url.expose_secret())))
                    .env(CUPS, &cups)
                    .env("MICRO_FAILPOINT", failpoint)
                    .output()
                    .expect("runs")
                    .status
            };
            let status = make_tea(&name);
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(SIGABRT),
                "{name}"
            );
            assert!(make_tea("").success(), "{name}");
            let made = fs::read_to_string(&cups).expect("made");
            let expected = match name.as_str() {
                "tea.boil.record" => "boil First\nboil Again\npour First\n",
                "tea.boil.effect" => "boil Again\npour First\n",
                "tea.pour.record" => "boil First\npour First\npour Again\n",
                "tea.pour.effect" => "boil First\npour Again\n",
                _ => "boil First\npour First\n",
            };
            assert_eq!(made, expected, "{name}");
            assert_eq!(
                test.ask_superuser("select count(*) from saga_steps where state = 'done'")
                    .await,
                ["2"]
            );
        }
    }
}
