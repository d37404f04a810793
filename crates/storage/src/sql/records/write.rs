//! Writes of many namespaces in one commit.

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_tenancy::LimitReached;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns;
use crate::{
    StoreError,
    records::{Expect, Quota, Write, Written},
    sql::{
        hot::{Call, CallError, Hot, Over},
        lane::{Bounds, Job, Outcome, Size, Store},
    },
};

/// What `records_write_scoped` raises when a condition is broken after it was looked at: its message is the write's
/// place, from 1.
const LOST: &str = "MC001";

/// A commit of some milliseconds; what holds up the others for longer goes apart.
pub(super) const BOUNDS: Bounds = Bounds {
    commit: Size {
        rows: 256,
        bytes: 512 << 10,
    },
    big: Size {
        rows: 64,
        bytes: 64 << 10,
    },
    waiting: Size {
        rows: 16_384,
        bytes: 32 << 20,
    },
    all: Size {
        rows: 65_536,
        bytes: 128 << 20,
    },
};

/// One namespace's batch, in the order of its keys, so that two batches never wait for each other in a circle.
pub(super) struct Batch {
    namespace: NamespaceId,
    writes: Vec<Write>,
    /// Where each write stood in the caller's batch.
    places: Vec<usize>,
    now: OffsetDateTime,
}

impl Batch {
    pub fn new(namespace: NamespaceId, batch: Vec<Write>, now: OffsetDateTime) -> Self {
        let mut placed: Vec<(usize, Write)> = batch.into_iter().enumerate().collect();
        placed.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let (places, writes) = placed.into_iter().unzip();
        Self {
            namespace,
            writes,
            places,
            now,
        }
    }

    /// Whether it writes to databases of the namespace's own.
    fn owns(&self) -> bool {
        self.writes.iter().any(|write| !write.key.is_core())
    }

    fn written(&self, versions: &[Option<i64>]) -> Written {
        let mut as_asked = vec![0; self.writes.len()];
        for (place, version) in self.places.iter().zip(versions) {
            as_asked[*place] = version.unwrap_or(0) as u64;
        }
        Written::Done(as_asked)
    }

    /// The condition of the write at this place, from 1, did not hold.
    fn lost(&self, place: usize) -> Outcome<Self> {
        let damaged = || StoreError::Damaged("a write that was not asked for is said to be lost".into());
        let place = place.checked_sub(1).and_then(|place| self.places.get(place));
        place.map(|place| Written::Lost(*place)).ok_or_else(damaged)
    }
}

impl Job for Batch {
    type Outcome = Written;

    fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    fn size(&self) -> Size {
        let bytes = |write: &Write| write.key.size() + write.value.as_ref().map_or(0, bytes::Bytes::len);
        Size {
            rows: self.writes.len(),
            bytes: self.writes.iter().map(bytes).sum(),
        }
    }
}

/// Calls `records_write_scoped`.
pub(super) struct Writer {
    pub hot: Hot,
    pub quota: Quota,
}

#[async_trait]
impl Store for Writer {
    type Job = Batch;

    async fn store(&self, over: Over, batches: &[Batch]) -> Result<Vec<Outcome<Batch>>, CallError> {
        // By namespace, since each change of scope costs; counted batches first, since they take the count's lock; then
        // by first key, as another replica does.
        let mut order: Vec<usize> = (0..batches.len()).collect();
        order.sort_by_cached_key(|place| {
            let batch = &batches[*place];
            (batch.namespace, !batch.owns(), batch.writes[0].key.clone())
        });
        let ordered: Vec<&Batch> = order.iter().map(|place| &batches[*place]).collect();
        let rows = match self.call(over, &ordered).await {
            Ok(rows) => rows,
            Err(CallError::Database(error)) => match (batches, place(&error)) {
                ([only], Some(place)) => return Ok(vec![only.lost(place)]),
                _ => return Err(CallError::Database(error)),
            },
            Err(error) => return Err(error),
        };
        let mut outcomes: Vec<Outcome<Batch>> = Vec::new();
        outcomes.resize_with(batches.len(), || {
            Err(StoreError::Damaged("a write without an outcome".into()))
        });
        let answer = rows.first().map(Answer::of).unwrap_or_default();
        let mut versions = answer.versions.as_slice();
        for ((place, batch), (outcome, used)) in order.into_iter().zip(ordered).zip(answer.outcomes) {
            let Some((ours, rest)) = versions.split_at_checked(batch.writes.len()) else {
                break;
            };
            versions = rest;
            outcomes[place] = match outcome {
                0 => Ok(batch.written(ours)),
                -1 => Err(LimitReached::new(self.quota.keys, used).into()),
                -2 => Err(LimitReached::new(self.quota.bytes, used).into()),
                lost => batch.lost(lost as usize),
            };
        }
        Ok(outcomes)
    }
}

impl Writer {
    async fn call(&self, over: Over, batches: &[&Batch]) -> Result<Vec<Row>, CallError> {
        let namespaces: Vec<Uuid> = batches.iter().map(|batch| batch.namespace.uuid()).collect();
        let times: Vec<OffsetDateTime> = batches.iter().map(|batch| batch.now).collect();
        let owns: Vec<bool> = batches.iter().map(|batch| batch.owns()).collect();
        let count = |last: &mut i32, batch: &&Batch| {
            *last += batch.writes.len() as i32;
            Some(*last)
        };
        let ends: Vec<i32> = batches.iter().scan(0, count).collect();
        let writes = || batches.iter().flat_map(|batch| &batch.writes);
        let [databases, tables, keys] = columns(batches.iter().flat_map(|batch| batch.writes.iter().map(|w| &w.key)));
        let values: Vec<Option<&[u8]>> = writes().map(|write| write.value.as_deref()).collect();
        let expiries: Vec<Option<OffsetDateTime>> = writes().map(|write| write.expires_at).collect();
        let expects: Vec<Option<i64>> = writes().map(|write| expected(write.expect)).collect();
        let most = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        self.hot
            .call_over(
                over,
                Call::Write,
                &[
                    &namespaces,
                    &times,
                    &owns,
                    &ends,
                    &databases,
                    &tables,
                    &keys,
                    &values,
                    &expiries,
                    &expects,
                    &most(self.quota.keys.max),
                    &most(self.quota.bytes.max),
                ],
            )
            .await
    }
}

/// What the function answers.
#[derive(Default)]
struct Answer {
    versions: Vec<Option<i64>>,
    /// A batch's outcome, and what is in use of the limit that it met.
    outcomes: Vec<(i64, u64)>,
}

impl Answer {
    fn of(row: &Row) -> Self {
        let outcomes: Vec<i64> = row.get(1);
        let used: Vec<i64> = row.get(2);
        Self {
            versions: row.get(0),
            outcomes: outcomes
                .into_iter()
                .zip(used.into_iter().map(|used| used as u64))
                .collect(),
        }
    }
}

/// As the function has it: nothing, no live record, or a version. No live record has one beyond `i64`.
fn expected(expect: Expect) -> Option<i64> {
    match expect {
        Expect::Any => None,
        Expect::Absent => Some(0),
        Expect::Version(version) => Some(i64::try_from(version).ok().filter(|version| *version > 0).unwrap_or(-1)),
    }
}

/// The place, from 1, of the write whose condition was broken meanwhile, if that is what the error says.
fn place(error: &tokio_postgres::Error) -> Option<usize> {
    let error = error.as_db_error().filter(|error| error.code().code() == LOST)?;
    error.message().parse().ok()
}
