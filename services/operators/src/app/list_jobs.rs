//! Jobs: what waits, what runs, what was given up.

use micro_domain::{JobId, OperatorId};
use micro_proto::operators;
use micro_storage::{
    StoreError,
    jobs::{self, JobRow},
    retrying,
};
use micro_tenancy::SystemTask;
use time::OffsetDateTime;

use super::OperatorsService;
use crate::OperatorsError;

/// How many jobs storage reads at once.
const READ: usize = 500;

impl OperatorsService {
    /// A page of jobs, oldest first.
    pub(crate) async fn list_jobs(
        &self,
        operator: OperatorId,
        request: operators::ListJobsRequest,
    ) -> Result<operators::ListJobsResponse, OperatorsError> {
        if !["", "due", "leased", "parked"].contains(&request.state.as_str()) {
            return Err(OperatorsError::Malformed("the state: due, leased or parked"));
        }
        self.record(operator, "jobs.list", "").await?;
        let size = if request.limit == 0 {
            50
        } else {
            request.limit.min(200) as usize
        };
        let mut after = cursor(&request.cursor)?;
        let mut found = Vec::new();
        loop {
            let rows = self.read_jobs(request.state == "parked", after.as_ref()).await?;
            let last = rows.len() < READ;
            after = rows.last().cloned().or(after);
            found.extend(
                rows.into_iter()
                    .filter(|row| request.state.is_empty() || state(row) == request.state),
            );
            if found.len() > size || last {
                break;
            }
        }
        let more = found.len() > size;
        found.truncate(size);
        let next_cursor = found.last().filter(|_| more).map(cursor_of).unwrap_or_default();
        Ok(operators::ListJobsResponse {
            jobs: found.into_iter().map(job).collect(),
            next_cursor,
        })
    }

    async fn read_jobs(&self, parked_only: bool, after: Option<&JobRow>) -> Result<Vec<JobRow>, StoreError> {
        let db = self.db.system(SystemTask::Operators);
        retrying(async || jobs::list(&mut db.begin().await?, parked_only, after).await).await
    }
}

fn state(row: &JobRow) -> &'static str {
    match (row.parked_at, row.claimed) {
        (Some(_), _) => "parked",
        (None, true) => "leased",
        (None, false) => "due",
    }
}

fn job(row: JobRow) -> operators::Job {
    operators::Job {
        id: row.id.to_string(),
        state: state(&row).into(),
        kind: row.kind,
        attempts: row.attempts,
        last_error: row.last_error.unwrap_or_default(),
        run_at: row.run_at.unix_timestamp(),
    }
}

fn cursor_of(row: &JobRow) -> String {
    format!("{}.{}", row.queued_at.unix_timestamp_nanos() / 1_000, row.id)
}

/// A row to go on behind: only what orders it counts.
fn cursor(text: &str) -> Result<Option<JobRow>, OperatorsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let malformed = || OperatorsError::Malformed("the cursor");
    let (micros, id) = text.split_once('.').ok_or_else(malformed)?;
    let nanos = micros.parse::<i64>().map_err(|_| malformed())?;
    let queued_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos) * 1_000).map_err(|_| malformed())?;
    let id: JobId = id.parse().map_err(|_| malformed())?;
    Ok(Some(JobRow {
        id,
        namespace: None,
        kind: String::new(),
        queued_at,
        run_at: queued_at,
        attempts: 0,
        claimed: false,
        last_error: None,
        parked_at: None,
    }))
}
