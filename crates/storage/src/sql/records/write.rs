//! Writes of many namespaces in one commit.

mod calls;

use std::collections::HashSet;

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_tenancy::LimitReached;
use time::OffsetDateTime;

use self::calls::{PutsAnswer, WritesAnswer};
use crate::{
    StoreError,
    records::{Expect, Quota, Write, Written},
    sql::{
        hot::{CallError, Hot, Over},
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

/// From so many batches on it is faster to put them set by set.
const MANY: usize = 4;

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

/// Calls `records_put_scoped` and `records_write_scoped`.
pub(super) struct Writer {
    pub hot: Hot,
    pub quota: Quota,
}

#[async_trait]
impl Store for Writer {
    type Job = Batch;

    async fn store(&self, over: Over, batches: &[Batch]) -> Result<Vec<Option<Outcome<Batch>>>, CallError> {
        let order = Order::of(batches, over);
        let answer = match calls::both(&self.hot, over, &order.puts, &order.writes, self.quota).await {
            Ok(answer) => answer,
            Err(CallError::Database(error)) => match (batches, place(&error)) {
                ([only], Some(place)) => return Ok(vec![Some(only.lost(place))]),
                _ => return Err(CallError::Database(error)),
            },
            Err(error) => return Err(error),
        };
        let mut outcomes: Vec<Option<Outcome<Batch>>> = Vec::new();
        outcomes.resize_with(batches.len(), || {
            Some(Err(StoreError::Damaged("a write without an outcome".into())))
        });
        note_writes(&mut outcomes, &order.writes, &answer.writes, self.quota);
        note_puts(&mut outcomes, &order.puts, &answer.puts);
        Ok(outcomes)
    }
}

/// A batch, and where it stood among those that were to be stored.
#[derive(Clone, Copy)]
pub(super) struct Placed<'b> {
    place: usize,
    batch: &'b Batch,
}

/// In what order batches are written: by namespace, since each change of scope costs; counted batches first, since they
/// take the count's lock; then by first key, as another replica does.
struct Order<'b> {
    /// Of namespaces that only put, each key once and whatever was there: set by set. Only in a lane: what goes apart
    /// has lost a race or met a limit.
    puts: Vec<Placed<'b>>,
    /// The others: one by one.
    writes: Vec<Placed<'b>>,
}

impl<'b> Order<'b> {
    fn of(batches: &'b [Batch], over: Over) -> Self {
        let shared = matches!(over, Over::Lane(_)) && batches.len() >= MANY;
        let mut all: Vec<Placed<'b>> = batches
            .iter()
            .enumerate()
            .map(|(place, batch)| Placed { place, batch })
            .collect();
        all.sort_by(|a, b| {
            let of = |placed: &Placed<'b>| {
                (
                    placed.batch.namespace,
                    !placed.batch.owns(),
                    &placed.batch.writes[0].key,
                )
            };
            of(a).cmp(&of(b))
        });
        let (mut puts, mut writes) = (Vec::new(), Vec::new());
        for of_one in all.chunk_by(|a, b| a.batch.namespace == b.batch.namespace) {
            match shared && only_puts(of_one) {
                true => puts.extend(of_one),
                false => writes.extend(of_one),
            }
        }
        Self { puts, writes }
    }
}

fn only_puts(batches: &[Placed<'_>]) -> bool {
    let mut keys = HashSet::new();
    let mut writes = batches.iter().flat_map(|placed| &placed.batch.writes);
    writes.all(|write| {
        write.value.is_some() && write.expect == Expect::Any && !write.key.is_core() && keys.insert(&write.key)
    })
}

fn note_writes(outcomes: &mut [Option<Outcome<Batch>>], batches: &[Placed<'_>], answer: &WritesAnswer, quota: Quota) {
    let mut versions = answer.versions.as_slice();
    for (Placed { place, batch }, (outcome, used)) in batches.iter().zip(&answer.outcomes) {
        let Some((ours, rest)) = versions.split_at_checked(batch.writes.len()) else {
            break;
        };
        versions = rest;
        outcomes[*place] = Some(match *outcome {
            0 => Ok(batch.written(ours)),
            -1 => Err(LimitReached::new(quota.keys, *used).into()),
            -2 => Err(LimitReached::new(quota.bytes, *used).into()),
            lost => batch.lost(lost as usize),
        });
    }
}

/// A namespace that has not room for all that it puts has nothing stored: its batches go apart, each for itself.
fn note_puts(outcomes: &mut [Option<Outcome<Batch>>], batches: &[Placed<'_>], answer: &PutsAnswer) {
    let mut versions = answer.versions.as_slice();
    for Placed { place, batch } in batches {
        let Some((ours, rest)) = versions.split_at_checked(batch.writes.len()) else {
            break;
        };
        versions = rest;
        let refused = answer.refused.contains(&batch.namespace.uuid());
        outcomes[*place] = (!refused).then(|| Ok(batch.written(ours)));
    }
}

/// The place, from 1, of the write whose condition was broken meanwhile, if that is what the error says.
fn place(error: &tokio_postgres::Error) -> Option<usize> {
    let error = error.as_db_error().filter(|error| error.code().code() == LOST)?;
    error.message().parse().ok()
}
