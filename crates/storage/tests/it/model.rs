//! Random histories: every back end answers as a plain map does, and the file still does after it is opened again.

use std::collections::BTreeMap;

use micro_clock::Clock;
use micro_storage::{
    file,
    memory::MemoryRecords,
    records::{Expect, Key, Records, Scan, Usage, Write, Written},
};
use micro_testkit::{TestClock, TestDb, tenant};
use proptest::{
    prelude::{Just, Strategy, any, prop},
    prop_oneof,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use time::{Duration, OffsetDateTime};

/// Histories per back end.
const HISTORIES: u32 = 12;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, Option<u8>, Option<i64>, Guess)>),
    Scan { from: u8, descending: bool, limit: usize },
    Pass(i64),
    Sweep,
    Reopen,
}

/// What a write expects: the version that the model knows, or something else.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Any,
    Absent,
    Right,
    Wrong,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let guess =
        prop_oneof![3 => Just(Guess::Any), 1 => Just(Guess::Absent), 2 => Just(Guess::Right), 1 => Just(Guess::Wrong)];
    let write = (
        0_u8..6,
        prop::option::weighted(0.8, any::<u8>()),
        prop::option::weighted(0.3, 1_i64..20),
        guess,
    );
    let step = prop_oneof![
        6 => prop::collection::vec(write, 1..4).prop_map(Step::Write),
        3 => (0_u8..6, any::<bool>(), 1_usize..8)
            .prop_map(|(from, descending, limit)| Step::Scan { from, descending, limit }),
        1 => (1_i64..15).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    value: u8,
    version: u64,
    expires_at: Option<OffsetDateTime>,
}

#[derive(Default)]
struct Model(BTreeMap<String, Row>);

impl Model {
    fn live(&self, key: &str, now: OffsetDateTime) -> Option<&Row> {
        self.0.get(key).filter(|row| row.expires_at.is_none_or(|at| at > now))
    }

    fn all(&self, now: OffsetDateTime) -> Vec<(String, Row)> {
        let keys = self.0.keys().filter(|key| self.live(key, now).is_some());
        keys.map(|key| (key.clone(), self.0[key].clone())).collect()
    }

    /// Everything that is there, also what has expired: one byte each of database, table and value, and the key.
    fn usage(&self) -> Usage {
        Usage {
            keys: self.0.len() as u64,
            bytes: self.0.keys().map(|key| key.len() as u64 + 3).sum(),
        }
    }
}

fn name(key: u8) -> String {
    format!("k{key}")
}

/// Plays one history; `reopen` gives the back end anew.
async fn play<R: Records>(steps: Vec<Step>, mut records: R, mut reopen: impl FnMut(R) -> R) {
    let (ada, clock, mut model) = (tenant("ada"), TestClock::default(), Model::default());
    for step in steps {
        let now = clock.now();
        match step {
            Step::Pass(seconds) => clock.advance(Duration::seconds(seconds)),
            Step::Reopen => records = reopen(records),
            Step::Sweep => {
                let gone = records.sweep(now, 1_000).await.expect("sweeps");
                let there = model.0.len();
                model.0.retain(|_, row| row.expires_at.is_none_or(|at| at > now));
                assert_eq!(gone, there - model.0.len());
            }
            Step::Scan {
                from,
                descending,
                limit,
            } => {
                let scan = Scan {
                    descending,
                    ..Scan::prefix("d", "t", "").limit(limit)
                };
                let scan = if descending { scan } else { scan.after(&name(from)) };
                let mut expected = model.all(now);
                if descending {
                    expected.reverse();
                } else {
                    expected.retain(|(key, _)| *key > name(from));
                }
                expected.truncate(limit);
                assert_eq!(seen(&records, scan, now).await, expected);
            }
            Step::Write(writes) => write(&records, &mut model, writes, now).await,
        }
        assert_eq!(records.usage(&ada).await.expect("asks"), model.usage());
    }
    let records = reopen(records);
    let now = clock.now();
    assert_eq!(seen(&records, Scan::prefix("d", "t", ""), now).await, model.all(now));
    let keys: Vec<Key> = (0..6)
        .map(|key| Key::tenant("d", "t", name(key)).expect("plain"))
        .collect();
    for (key, found) in keys.iter().zip(records.get(&ada, &keys, now).await.expect("reads")) {
        assert_eq!(
            found.map(|found| found.version),
            model.live(&key.key, now).map(|row| row.version),
            "{key:?}"
        );
    }
}

async fn seen(records: &impl Records, scan: Scan, now: OffsetDateTime) -> Vec<(String, Row)> {
    let found = records.scan(&tenant("ada"), scan, now).await.expect("scans");
    let row = |r: micro_storage::records::Record| {
        (
            r.key,
            Row {
                value: r.value[0],
                version: r.version,
                expires_at: r.expires_at,
            },
        )
    };
    found.into_iter().map(row).collect()
}

async fn write(
    records: &impl Records,
    model: &mut Model,
    mut writes: Vec<(u8, Option<u8>, Option<i64>, Guess)>,
    now: OffsetDateTime,
) {
    writes.sort_by_key(|write| write.0);
    writes.dedup_by_key(|write| write.0);
    let mut batch = Vec::new();
    let mut broken = Vec::new();
    for (place, (key, value, seconds, guess)) in writes.iter().enumerate() {
        let version = model.live(&name(*key), now).map(|row| row.version);
        let expect = match guess {
            Guess::Any => Expect::Any,
            Guess::Absent => Expect::Absent,
            Guess::Right => version.map_or(Expect::Absent, Expect::Version),
            Guess::Wrong => Expect::Version(version.unwrap_or(0) + 1),
        };
        let holds = match guess {
            Guess::Absent => version.is_none(),
            Guess::Wrong => false,
            Guess::Any | Guess::Right => true,
        };
        if !holds {
            broken.push(place);
        }
        batch.push(Write {
            key: Key::tenant("d", "t", name(*key)).expect("plain"),
            value: value.map(|value| vec![value].into()),
            expires_at: seconds.map(|seconds| now + Duration::seconds(seconds)),
            expect,
        });
    }
    match records
        .write(&tenant("ada"), batch.clone(), now)
        .await
        .expect("answers")
    {
        Written::Lost(place) => assert!(broken.contains(&place), "{place} held: {batch:?}"),
        Written::Done(versions) => {
            assert_eq!(broken, [0; 0], "{batch:?}");
            for (write, version) in batch.into_iter().zip(versions) {
                let before = model.0.remove(&write.key.key).map_or(0, |row| row.version);
                if let Some(value) = write.value {
                    assert!(version > before, "versions grow");
                    let row = Row {
                        value: value[0],
                        version,
                        expires_at: write.expires_at,
                    };
                    model.0.insert(write.key.key, row);
                }
            }
        }
    }
}

fn histories() -> Vec<Vec<Step>> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    (0..HISTORIES)
        .map(|_| steps().new_tree(&mut runner).expect("a history").current())
        .collect()
}

#[tokio::test]
async fn memory_answers_as_a_map_does() {
    for history in histories() {
        println!("{history:?}");
        play(history, MemoryRecords::default(), |records| records).await;
    }
}

#[tokio::test]
async fn the_file_answers_as_a_map_does_also_when_opened_again() {
    for history in histories() {
        println!("{history:?}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("store.redb");
        let open = || file::open(&path).expect("opens").0;
        play(history, open(), |records| {
            drop(records);
            open()
        })
        .await;
    }
}

#[tokio::test]
async fn sql_answers_as_a_map_does_also_through_lost_races() {
    for history in histories() {
        println!("{history:?}");
        let test = TestDb::new().await;
        let proxy = test.flaky(0.05).await;
        play(history, crate::backends::flaky(&proxy).await.records, |records| records).await;
    }
}
