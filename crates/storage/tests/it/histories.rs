//! Random histories of logs and blobs: every back end answers as plain vectors and maps do, and those that last still do
//! after they are opened again. Histories are the same in each run.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// So many histories of this kind.
pub fn histories<S: Strategy>(count: usize, steps: S) -> Vec<S::Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|_| steps.new_tree(&mut runner).expect("a history").current())
        .collect()
}

mod log {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use micro_clock::Clock;
    use micro_storage::{
        file,
        log::{Append, Appended, Entry, Extent, Log},
        memory::MemoryLog,
    };
    use micro_tenancy::Tenant;
    use micro_testkit::{TestClock, TestDb, tenant};
    use proptest::{
        prelude::{Just, Strategy, any, prop},
        prop_oneof,
    };
    use time::{Duration, OffsetDateTime};

    use super::histories;

    const TENANTS: [&str; 2] = ["ada", "bob"];

    #[derive(Clone, Debug)]
    enum Step {
        /// Topics of one call, each with so many entries.
        Append(Vec<(u8, u8, u8)>),
        Read {
            of: u8,
            topic: u8,
            from: u64,
            limit: usize,
        },
        At {
            of: u8,
            topic: u8,
            seconds: i64,
        },
        Trim {
            of: u8,
            topic: u8,
            before: u64,
        },
        /// The clock may be set back.
        Pass(i64),
        Erase(u8),
        Reopen,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let topic = || (0_u8..2, 0_u8..3);
        let step = prop_oneof![
            8 => prop::collection::vec((0_u8..2, 0_u8..3, 1_u8..5), 1..5).prop_map(Step::Append),
            4 => (topic(), 0_u64..40, 0_usize..20)
                .prop_map(|((of, topic), from, limit)| Step::Read { of, topic, from, limit }),
            2 => (topic(), -5_i64..60).prop_map(|((of, topic), seconds)| Step::At { of, topic, seconds }),
            1 => (topic(), 0_u64..30).prop_map(|((of, topic), before)| Step::Trim { of, topic, before }),
            3 => (-3_i64..10).prop_map(Step::Pass),
            1 => prop_oneof![3 => Just(Step::Reopen), 1 => any::<u8>().prop_map(|of| Step::Erase(of % 2))],
        ];
        prop::collection::vec(step, 1..50)
    }

    #[derive(Default)]
    struct Topic {
        next: u64,
        entries: Vec<Entry>,
        /// Offsets behind the last entry of what was appended together: up to these it is trimmed at least.
        ends: Vec<u64>,
    }

    impl Topic {
        fn extent(&self) -> Extent {
            Extent {
                start: self.entries.first().map_or(self.next, |entry| entry.offset),
                next: self.next,
            }
        }

        /// Entries appended together have one time, not before that of the last one.
        fn append(&mut self, payloads: Vec<Bytes>, now: OffsetDateTime, last: &mut OffsetDateTime) -> Appended {
            *last = now.max(*last);
            let first = self.next;
            for payload in payloads {
                self.entries.push(Entry {
                    offset: self.next,
                    at: *last,
                    payload,
                });
                self.next += 1;
            }
            self.ends.push(self.next);
            Appended {
                first,
                count: self.next - first,
            }
        }
    }

    #[derive(Default)]
    struct Model {
        topics: BTreeMap<(u8, u8), Topic>,
        last: BTreeMap<(u8, u8), OffsetDateTime>,
        number: u32,
    }

    fn name(topic: u8) -> String {
        format!("topic-{topic}")
    }

    async fn play<L: Log>(steps: Vec<Step>, mut log: L, mut reopen: impl FnMut(L) -> L) {
        let tenants = TENANTS.map(tenant);
        let (clock, mut model) = (TestClock::default(), Model::default());
        let started = clock.now();
        for step in steps {
            let now = clock.now();
            match step {
                Step::Pass(seconds) => clock.advance(Duration::seconds(seconds)),
                Step::Reopen => log = reopen(log),
                Step::Erase(of) => {
                    log.erase(&tenants[of as usize]).await.expect("erases");
                    model.topics.retain(|at, _| at.0 != of);
                    model.last.retain(|at, _| at.0 != of);
                }
                Step::Append(batches) => append(&log, &mut model, &tenants, batches, now).await,
                Step::Read { of, topic, from, limit } => {
                    let read = log.read(&tenants[of as usize], &name(topic), from, limit).await;
                    let all = model.topics.get(&(of, topic)).map_or(&[][..], |topic| &topic.entries);
                    let expected = all.iter().filter(|entry| entry.offset >= from).take(limit);
                    assert!(read.expect("reads").iter().eq(expected));
                }
                Step::At { of, topic, seconds } => {
                    let at = started + Duration::seconds(seconds);
                    let found = log.offset_at(&tenants[of as usize], &name(topic), at).await;
                    let expected = model.topics.get(&(of, topic)).map_or(0, |topic| {
                        let first = topic.entries.iter().find(|entry| entry.at >= at);
                        first.map_or(topic.next, |entry| entry.offset)
                    });
                    assert_eq!(found.expect("finds"), expected, "{at}");
                }
                Step::Trim { of, topic, before } => {
                    let (of_tenant, of_topic) = (&tenants[of as usize], name(topic));
                    log.trim(of_tenant, &of_topic, before).await.expect("trims");
                    let start = log.extent(of_tenant, &of_topic).await.expect("asks").start;
                    let Some(topic) = model.topics.get_mut(&(of, topic)) else {
                        continue;
                    };
                    let whole = topic
                        .ends
                        .iter()
                        .filter(|end| **end <= before)
                        .max()
                        .copied()
                        .unwrap_or(0);
                    let least = topic.extent().start.max(whole);
                    let most = topic.extent().start.max(before.min(topic.next));
                    assert!((least..=most).contains(&start), "{start} is not in {least}..={most}");
                    topic.entries.retain(|entry| entry.offset >= start);
                }
            }
            check_extents(&log, &model, &tenants).await;
        }
        check_extents(&reopen(log), &model, &tenants).await;
    }

    async fn append(
        log: &impl Log,
        model: &mut Model,
        tenants: &[Tenant; 2],
        batches: Vec<(u8, u8, u8)>,
        now: OffsetDateTime,
    ) {
        let mut asked = Vec::new();
        let mut expected = Vec::new();
        for (of, topic, count) in batches {
            let payloads: Vec<Bytes> = (0..count)
                .map(|_| {
                    model.number += 1;
                    Bytes::from(model.number.to_string())
                })
                .collect();
            let last = model.last.entry((of, topic)).or_insert(OffsetDateTime::UNIX_EPOCH);
            expected.push(
                model
                    .topics
                    .entry((of, topic))
                    .or_default()
                    .append(payloads.clone(), now, last),
            );
            asked.push(Append {
                tenant: &tenants[of as usize],
                topic: name(topic),
                payloads,
            });
        }
        let done = log.append(asked, now).await;
        let done: Vec<Appended> = done.into_iter().map(|done| done.expect("appends")).collect();
        assert_eq!(done, expected);
    }

    async fn check_extents(log: &impl Log, model: &Model, tenants: &[Tenant; 2]) {
        for of in 0..2 {
            for topic in 0..3 {
                let extent = log.extent(&tenants[of as usize], &name(topic)).await.expect("asks");
                let expected = model.topics.get(&(of, topic)).map(Topic::extent).unwrap_or_default();
                assert_eq!(extent, expected, "{of} {topic}");
            }
        }
    }

    #[tokio::test]
    async fn memory_answers_as_vectors_do() {
        for history in histories(24, steps()) {
            println!("{history:?}");
            play(history, MemoryLog::default(), |log| log).await;
        }
    }

    #[tokio::test]
    async fn the_file_answers_as_vectors_do_also_when_opened_again() {
        for history in histories(12, steps()) {
            println!("{history:?}");
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("store.redb");
            let open = || file::open(&path).expect("opens").1;
            play(history, open(), |log| {
                drop(log);
                open()
            })
            .await;
        }
    }

    #[tokio::test]
    async fn sql_answers_as_vectors_do_also_through_lost_races() {
        for (place, history) in histories(12, steps()).into_iter().enumerate() {
            println!("{history:?}");
            let test = TestDb::new().await;
            match place % 2 {
                0 => play(history, crate::backends::sql(&test).await.log, |log| log).await,
                _ => {
                    let proxy = test.flaky(0.05).await;
                    play(history, crate::backends::flaky(&proxy).await.log, |log| log).await;
                }
            }
        }
    }
}

mod blobs {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use futures::{StreamExt, TryStreamExt, stream};
    use micro_storage::{
        StoreError,
        blobs::{Blobs, ObjectBlobs},
        memory::MemoryBlobs,
    };
    use micro_testkit::tenant;
    use proptest::{
        prelude::{Just, Strategy, any, prop},
        prop_oneof,
    };

    use super::histories;

    const TENANTS: [&str; 2] = ["ada", "bob"];
    const KEYS: [&str; 5] = ["a", "b/c", "b/d", "b/e/f", "sha256:00ff"];
    const MOST: u64 = 7 << 20;

    #[derive(Clone, Debug)]
    enum Step {
        /// Parts of so many bytes; whether the sender breaks off behind them.
        Put {
            of: u8,
            key: u8,
            parts: Vec<usize>,
            breaks: bool,
        },
        Get(u8, u8),
        Delete(u8, u8),
        List(u8, u8),
        Erase(u8),
        Reopen,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let at = || (0_u8..2, 0_u8..KEYS.len() as u8);
        // Now and then one that is stored in parts, and one that is too big.
        let part = prop_oneof![30 => 0_usize..2_000, 1 => Just(3 << 20)];
        let step = prop_oneof![
            6 => (at(), prop::collection::vec(part, 0..4), prop::bool::weighted(0.15))
                .prop_map(|((of, key), parts, breaks)| Step::Put { of, key, parts, breaks }),
            3 => at().prop_map(|(of, key)| Step::Get(of, key)),
            2 => at().prop_map(|(of, key)| Step::Delete(of, key)),
            2 => (0_u8..2, 0_u8..4).prop_map(|(of, prefix)| Step::List(of, prefix)),
            1 => prop_oneof![2 => Just(Step::Reopen), 1 => any::<u8>().prop_map(|of| Step::Erase(of % 2))],
        ];
        prop::collection::vec(step, 1..40)
    }

    async fn play<B: Blobs>(steps: Vec<Step>, mut blobs: B, mut reopen: impl FnMut(B) -> B) {
        let tenants = TENANTS.map(tenant);
        let mut model: BTreeMap<(u8, &str), Vec<u8>> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Reopen => blobs = reopen(blobs),
                Step::Put { of, key, parts, breaks } => {
                    let key = KEYS[key as usize];
                    let parts: Vec<Bytes> = parts.into_iter().map(|size| vec![number as u8; size].into()).collect();
                    let whole = parts.concat();
                    let end = breaks.then(|| Err(StoreError::Failed("the sender is gone".into())));
                    let body = stream::iter(parts.into_iter().map(Ok).chain(end).collect::<Vec<_>>()).boxed();
                    let put = blobs.put(&tenants[of as usize], key, body, MOST).await;
                    match breaks || whole.len() as u64 > MOST {
                        true => assert!(put.is_err()),
                        false => {
                            assert_eq!(put.expect("puts"), whole.len() as u64);
                            model.insert((of, key), whole);
                        }
                    }
                }
                Step::Get(of, key) => {
                    let key = KEYS[key as usize];
                    let found = match blobs.get(&tenants[of as usize], key).await.expect("reads") {
                        Some((_, bytes)) => Some(bytes.try_collect::<Vec<Bytes>>().await.expect("streams").concat()),
                        None => None,
                    };
                    assert!(found.as_ref() == model.get(&(of, key)), "{of} {key}");
                }
                Step::Delete(of, key) => {
                    let key = KEYS[key as usize];
                    let gone = blobs.delete(&tenants[of as usize], key).await.expect("deletes");
                    assert_eq!(gone, model.remove(&(of, key)).is_some());
                }
                Step::List(of, prefix) => {
                    let prefix = ["", "b/", "b/e", "s"][prefix as usize];
                    let listed = blobs.list(&tenants[of as usize], prefix).await.expect("lists");
                    let keys = model
                        .keys()
                        .filter(|(whose, key)| *whose == of && key.starts_with(prefix));
                    assert!(
                        listed.iter().map(String::as_str).eq(keys.map(|(_, key)| *key)),
                        "{listed:?}"
                    );
                }
                Step::Erase(of) => {
                    blobs.erase(&tenants[of as usize]).await.expect("erases");
                    model.retain(|(whose, _), _| *whose != of);
                }
            }
        }
        let blobs = reopen(blobs);
        for of in 0..2 {
            let listed = blobs.list(&tenants[of as usize], "").await.expect("lists");
            assert_eq!(listed.len(), model.keys().filter(|(whose, _)| *whose == of).count());
        }
    }

    #[tokio::test]
    async fn memory_answers_as_a_map_does() {
        for history in histories(24, steps()) {
            println!("{history:?}");
            play(history, MemoryBlobs::default(), |blobs| blobs).await;
        }
    }

    #[tokio::test]
    async fn a_folder_answers_as_a_map_does_also_when_opened_again() {
        for history in histories(12, steps()) {
            println!("{history:?}");
            let folder = tempfile::tempdir().expect("a temporary folder");
            let open = || ObjectBlobs::in_folder(folder.path().join("blobs")).expect("opens");
            play(history, open(), |_| open()).await;
        }
    }
}
