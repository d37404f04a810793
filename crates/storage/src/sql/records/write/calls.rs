//! The calls that write, and what they answer.

use time::OffsetDateTime;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::Placed;
use crate::{
    records::{Expect, Quota, Write},
    sql::{
        hot::{Call, CallError, Hot, Over},
        records::columns,
    },
};

/// What `records_put_scoped` answers.
#[derive(Default)]
pub(super) struct PutsAnswer {
    pub versions: Vec<Option<i64>>,
    /// Namespaces of which nothing was written.
    pub refused: Vec<Uuid>,
}

/// What `records_write_scoped` answers.
#[derive(Default)]
pub(super) struct WritesAnswer {
    pub versions: Vec<Option<i64>>,
    /// A batch's outcome, and what is in use of the limit that it met.
    pub outcomes: Vec<(i64, u64)>,
}

#[derive(Default)]
pub(super) struct Answer {
    pub puts: PutsAnswer,
    pub writes: WritesAnswer,
}

/// Writes all of them in one transaction.
pub(super) async fn both(
    hot: &Hot,
    over: Over,
    puts: &[Placed<'_>],
    writes: &[Placed<'_>],
    quota: Quota,
) -> Result<Answer, CallError> {
    let (put_columns, write_columns) = (PutColumns::of(puts), WriteColumns::of(writes));
    let most = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
    let most = [most(quota.keys.max), most(quota.bytes.max)];
    let put_values = || put_columns.values(&most);
    let write_values = || write_columns.values(&most);
    let mut answer = Answer::default();
    match (puts.is_empty(), writes.is_empty()) {
        (_, true) => {
            let rows = hot.call_over(over, Call::Put, &put_values()).await?;
            answer.puts = rows.first().map(PutsAnswer::of).unwrap_or_default();
        }
        (true, false) => {
            let rows = hot.call_over(over, Call::Write, &write_values()).await?;
            answer.writes = rows.first().map(|row| WritesAnswer::of(row, 0)).unwrap_or_default();
        }
        (false, false) => {
            let values: Vec<&(dyn ToSql + Sync)> = put_values().into_iter().chain(write_values()).collect();
            let rows = hot.call_over(over, Call::PutAndWrite, &values).await?;
            answer.puts = rows.first().map(PutsAnswer::of).unwrap_or_default();
            answer.writes = rows.first().map(|row| WritesAnswer::of(row, 2)).unwrap_or_default();
        }
    }
    Ok(answer)
}

impl PutsAnswer {
    fn of(row: &Row) -> Self {
        Self {
            versions: row.get(0),
            refused: row.get::<_, Option<Vec<Uuid>>>(1).unwrap_or_default(),
        }
    }
}

impl WritesAnswer {
    fn of(row: &Row, first: usize) -> Self {
        let outcomes: Vec<i64> = row.get(first + 1);
        let used: Vec<i64> = row.get(first + 2);
        let used = used.into_iter().map(|used| used as u64);
        Self {
            versions: row.get(first),
            outcomes: outcomes.into_iter().zip(used).collect(),
        }
    }
}

/// What each write is of.
struct RowColumns<'b> {
    databases: Vec<&'b str>,
    tables: Vec<&'b str>,
    keys: Vec<&'b str>,
    values: Vec<Option<&'b [u8]>>,
    expiries: Vec<Option<OffsetDateTime>>,
}

impl<'b> RowColumns<'b> {
    fn of(batches: &[Placed<'b>]) -> Self {
        let writes = || rows(batches);
        let [databases, tables, keys] = columns(rows(batches).map(|write| &write.key));
        Self {
            databases,
            tables,
            keys,
            values: writes().map(|write| write.value.as_deref()).collect(),
            expiries: writes().map(|write| write.expires_at).collect(),
        }
    }
}

/// What `records_put_scoped` is given.
struct PutColumns<'b> {
    namespaces: Vec<Uuid>,
    rows: RowColumns<'b>,
}

impl<'b> PutColumns<'b> {
    fn of(batches: &[Placed<'b>]) -> Self {
        let namespaces = batches.iter().flat_map(|placed| {
            let namespace = placed.batch.namespace.uuid();
            placed.batch.writes.iter().map(move |_| namespace)
        });
        Self {
            namespaces: namespaces.collect(),
            rows: RowColumns::of(batches),
        }
    }

    fn values<'v>(&'v self, [keys, bytes]: &'v [i64; 2]) -> [&'v (dyn ToSql + Sync); 8] {
        let rows = &self.rows;
        [
            &self.namespaces,
            &rows.databases,
            &rows.tables,
            &rows.keys,
            &rows.values,
            &rows.expiries,
            keys,
            bytes,
        ]
    }
}

/// What `records_write_scoped` is given.
struct WriteColumns<'b> {
    namespaces: Vec<Uuid>,
    times: Vec<OffsetDateTime>,
    owns: Vec<bool>,
    ends: Vec<i32>,
    rows: RowColumns<'b>,
    expects: Vec<Option<i64>>,
}

impl<'b> WriteColumns<'b> {
    fn of(batches: &[Placed<'b>]) -> Self {
        let all = || batches.iter().map(|placed| placed.batch);
        let end = |last: &mut i32, placed: &Placed<'_>| {
            *last += placed.batch.writes.len() as i32;
            Some(*last)
        };
        Self {
            namespaces: all().map(|batch| batch.namespace.uuid()).collect(),
            times: all().map(|batch| batch.now).collect(),
            owns: all().map(super::Batch::owns).collect(),
            ends: batches.iter().scan(0, end).collect(),
            rows: RowColumns::of(batches),
            expects: rows(batches).map(|write| expected(write.expect)).collect(),
        }
    }

    fn values<'v>(&'v self, [keys, bytes]: &'v [i64; 2]) -> [&'v (dyn ToSql + Sync); 12] {
        let rows = &self.rows;
        [
            &self.namespaces,
            &self.times,
            &self.owns,
            &self.ends,
            &rows.databases,
            &rows.tables,
            &rows.keys,
            &rows.values,
            &rows.expiries,
            &self.expects,
            keys,
            bytes,
        ]
    }
}

fn rows<'b>(batches: &[Placed<'b>]) -> impl Iterator<Item = &'b Write> + Clone {
    batches.iter().flat_map(|placed| &placed.batch.writes)
}

/// As the function has it: nothing, no live record, or a version. No live record has one beyond `i64`.
fn expected(expect: Expect) -> Option<i64> {
    match expect {
        Expect::Any => None,
        Expect::Absent => Some(0),
        Expect::Version(version) => Some(i64::try_from(version).ok().filter(|version| *version > 0).unwrap_or(-1)),
    }
}
