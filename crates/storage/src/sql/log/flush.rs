//! Entries of many topics in one commit: one chunk a topic.

use async_trait::async_trait;
use bytes::Bytes;
use micro_domain::NamespaceId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StoreError,
    sql::{
        chunk::encode,
        hot::{Call, CallError, Hot, Over},
        lane::{Bounds, Job, Outcome, Size, Store},
    },
};

/// A commit of some milliseconds; what holds up the others for longer goes apart.
pub(super) const BOUNDS: Bounds = Bounds {
    commit: Size {
        rows: 4_096,
        bytes: 1 << 20,
    },
    big: Size {
        rows: 2_048,
        bytes: 256 << 10,
    },
    waiting: Size {
        rows: 65_536,
        bytes: 32 << 20,
    },
    all: Size {
        rows: 262_144,
        bytes: 128 << 20,
    },
};

/// From so many chunks on it is faster to write them set by set.
const MANY: usize = 4;

/// Entries for one topic, of one caller.
pub(super) struct Entries {
    namespace: NamespaceId,
    topic: String,
    pub payloads: Vec<Bytes>,
    now: OffsetDateTime,
}

impl Entries {
    pub fn new(namespace: NamespaceId, topic: String, now: OffsetDateTime) -> Self {
        Self {
            namespace,
            topic,
            payloads: Vec::new(),
            now,
        }
    }
}

impl Job for Entries {
    /// The offset of the first entry.
    type Outcome = u64;

    fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    fn size(&self) -> Size {
        Size {
            rows: self.payloads.len(),
            bytes: self.topic.len() + self.payloads.iter().map(Bytes::len).sum::<usize>(),
        }
    }
}

/// Calls `log_append_scoped` or `log_append_many_scoped`.
pub(super) struct Flusher(pub Hot);

#[async_trait]
impl Store for Flusher {
    type Job = Entries;

    async fn store(&self, over: Over, jobs: &[Entries]) -> Result<Vec<Option<Outcome<Entries>>>, CallError> {
        // By namespace and topic; within a topic as they came, since the sort is stable.
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by(|a, b| {
            let of = |place: &usize| (jobs[*place].namespace, &jobs[*place].topic);
            of(a).cmp(&of(b))
        });
        let same_topic =
            |a: &usize, b: &usize| jobs[*a].namespace == jobs[*b].namespace && jobs[*a].topic == jobs[*b].topic;
        let chunks: Vec<&[usize]> = order.chunk_by(same_topic).collect();
        let firsts = self.flush(over, jobs, &chunks).await?;
        let mut outcomes: Vec<Option<Outcome<Entries>>> = Vec::new();
        outcomes.resize_with(jobs.len(), || {
            Some(Err(StoreError::Damaged("a chunk without an offset".into())))
        });
        for (chunk, first) in chunks.into_iter().zip(firsts) {
            let mut next = first as u64;
            for place in chunk {
                outcomes[*place] = Some(Ok(next));
                next += jobs[*place].payloads.len() as u64;
            }
        }
        Ok(outcomes)
    }
}

impl Flusher {
    /// Each chunk's first offset.
    async fn flush(&self, over: Over, jobs: &[Entries], chunks: &[&[usize]]) -> Result<Vec<i64>, CallError> {
        let heads = || chunks.iter().map(|chunk| &jobs[chunk[0]]);
        let payloads = |chunk: &[usize]| {
            chunk
                .iter()
                .flat_map(|place| &jobs[*place].payloads)
                .collect::<Vec<_>>()
        };
        let namespaces: Vec<Uuid> = heads().map(|head| head.namespace.uuid()).collect();
        let topics: Vec<&str> = heads().map(|head| head.topic.as_str()).collect();
        let counts: Vec<i64> = chunks.iter().map(|chunk| payloads(chunk).len() as i64).collect();
        let latest = |chunk: &&[usize]| chunk.iter().map(|place| jobs[*place].now).max();
        let times: Vec<Option<OffsetDateTime>> = chunks.iter().map(latest).collect();
        let bodies: Vec<Vec<u8>> = chunks.iter().map(|chunk| encode(payloads(chunk).into_iter())).collect();
        let call = if chunks.len() < MANY {
            Call::Append
        } else {
            Call::AppendMany
        };
        let rows = self
            .0
            .call_over(over, call, &[&namespaces, &topics, &counts, &times, &bodies])
            .await?;
        Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
    }
}
