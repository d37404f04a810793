//! Runs jobs: wakes at once for those queued in this process, looks for others every second.

use std::{collections::HashMap, error::Error, future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use micro_clock::Clock;
use micro_domain::JobId;
use micro_tenancy::{Authority, SystemTask, Tenant};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Job,
    claim::{Claimed, Claims, LEASE},
};
use crate::{StoreError, db::Db, holder::Holder};

/// Jobs that run at once.
const MOST: usize = 16;
/// How often to look for jobs that were queued elsewhere, or have come due.
const POLL: Duration = Duration::from_secs(1);
/// How long running jobs may go on after the worker was told to stop, unless it is told otherwise.
const GRACE: Duration = Duration::from_secs(3);
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);

/// Why a job's run failed. It is stored and logged: no addresses, no secrets.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a handler is told besides the job itself.
#[derive(Clone, Debug)]
pub struct Running {
    /// The job's id: the same in every try.
    pub id: JobId,
    /// Leave to act in the job's namespace, if it has one.
    pub tenant: Option<Tenant>,
    /// From 1.
    pub attempt: u32,
    /// When this try began.
    pub now: OffsetDateTime,
}

type Handle = Arc<dyn Fn(&str, Running) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

#[derive(Clone)]
struct Handler {
    task: SystemTask,
    limit: u32,
    handle: Handle,
}

/// Runs the jobs of the kinds it knows.
#[derive(Clone)]
pub struct Worker {
    claims: Claims,
    authority: Authority,
    clock: Arc<dyn Clock>,
    grace: Duration,
    handlers: HashMap<&'static str, Handler>,
}

impl Worker {
    /// A worker that knows no kind yet.
    pub fn new(db: &Db, authority: Authority, clock: Arc<dyn Clock>) -> Self {
        let claims = Claims {
            db: db.system(SystemTask::Jobs),
            holder: Holder::here().to_string(),
        };
        Self {
            claims,
            authority,
            clock,
            grace: GRACE,
            handlers: HashMap::new(),
        }
    }

    /// The same worker, with a handler for one kind of job.
    #[must_use]
    pub fn on<J, F, Fut>(mut self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, Running) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let handle: Handle = Arc::new(move |payload, running| match serde_json::from_str(payload) {
            Ok(job) => Box::pin(handler(job, running)),
            Err(error) => Box::pin(std::future::ready(Err(Failure::from(error)))),
        });
        self.handlers.insert(
            J::KIND,
            Handler {
                task: J::TASK,
                limit: J::LIMIT,
                handle,
            },
        );
        self
    }

    /// The same worker, giving running jobs so long once it is told to stop: three seconds, unless set.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs jobs until `stop`. Those under way then get a little longer; what is not done is put back.
    pub async fn run(self, stop: CancellationToken) {
        let kinds = self.kinds();
        let wake = self.claims.db.wake();
        let cut_short = CancellationToken::new();
        let mut running = JoinSet::new();
        if let Err(error) = self.claims.bury(self.clock.now()).await {
            tracing::warn!(%error, "claims of dead workers could not be taken back");
        }
        while !stop.is_cancelled() {
            while running.len() + 4 <= MOST {
                let claimed = match self.claims.take(&kinds, self.clock.now()).await {
                    Ok(claimed) => claimed,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn Error, "jobs could not be claimed");
                        break;
                    }
                };
                if claimed.is_empty() {
                    break;
                }
                for job in claimed {
                    running.spawn(self.clone().attend(job, cut_short.clone()));
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, all).await.is_err() {
            cut_short.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    /// Runs everything that is due, one after another, until nothing is: for tests, whose clock stands still. How
    /// many runs that took.
    pub async fn drain(&self) -> Result<usize, StoreError> {
        let kinds = self.kinds();
        let mut runs = 0;
        loop {
            let claimed = self.claims.take(&kinds, self.clock.now()).await?;
            if claimed.is_empty() {
                return Ok(runs);
            }
            for job in claimed {
                self.clone().attend(job, CancellationToken::new()).await;
                runs += 1;
            }
        }
    }

    fn kinds(&self) -> Vec<String> {
        self.handlers.keys().map(|kind| (*kind).to_owned()).collect()
    }

    /// Runs one job and records how that went.
    async fn attend(self, job: Claimed, cut_short: CancellationToken) {
        let outcome = tokio::select! {
            outcome = self.handle(&job) => Some(outcome),
            () = self.keep(&job) => None,
            () = cut_short.cancelled() => Some(Err("the server stopped".into())),
        };
        let now = self.clock.now();
        let recorded = match outcome {
            None => Ok(false),
            Some(Ok(())) => self.claims.finish(&job).await,
            Some(Err(_)) if cut_short.is_cancelled() => self.claims.put_back(&job, now, "the server stopped").await,
            Some(Err(failure)) => self.failed(&job, failure, now).await,
        };
        match recorded {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job.id = %job.id(), job.kind, "another worker has taken the job over"),
            Err(error) => {
                tracing::error!(job.id = %job.id(), job.kind, error = &error as &dyn Error, "a job's end could not be recorded");
            }
        }
    }

    /// The handler's own outcome. It runs as a task of its own, so that a panic is a failure like any other.
    async fn handle(&self, job: &Claimed) -> Result<(), Failure> {
        let Some(Handler { task, handle, .. }) = self.handlers.get(job.kind.as_str()) else {
            return Err("no handler for this kind".into());
        };
        let tenant = job.namespace()?.map(|namespace| self.authority.enter(*task, namespace));
        let running = Running {
            id: job.id(),
            tenant,
            attempt: job.attempts as u32,
            now: self.clock.now(),
        };
        let mut run = JoinSet::new();
        run.spawn(handle(&job.payload, running));
        match run.join_next().await {
            Some(Ok(outcome)) => outcome,
            _ => Err("the handler panicked".into()),
        }
    }

    /// Renews the claim; returns when it is lost.
    async fn keep(&self, job: &Claimed) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            match self.claims.renew(job, self.clock.now()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(job.id = %job.id(), %error, "a job's claim could not be renewed"),
            }
        }
    }

    async fn failed(&self, job: &Claimed, failure: Failure, now: OffsetDateTime) -> Result<bool, StoreError> {
        let why = chain(&*failure);
        let limit = self.handlers.get(job.kind.as_str()).map_or(0, |handler| handler.limit);
        if job.attempts >= i64::from(limit) {
            tracing::error!(
                alarm = "job.parked", job.id = %job.id(), job.kind, namespace.id = %job.namespace_id, attempts = job.attempts, why,
                "a job was given up: an operator must look at it"
            );
            return self.claims.park(job, now, &why).await;
        }
        tracing::warn!(job.id = %job.id(), job.kind, attempts = job.attempts, why, "a job failed and will be tried again");
        self.claims.put_back(job, now + backoff(job.attempts), &why).await
    }
}

/// One second, doubling to ten minutes, less up to half of it so that failures do not march in step.
fn backoff(attempts: i64) -> Duration {
    let doublings = attempts.clamp(1, 16) as u32 - 1;
    Duration::from_secs(1 << doublings)
        .min(LONGEST_BACKOFF)
        .mul_f64(rand::random_range(0.5..1.0))
}

/// An error with its causes, cut to what a person reads.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words.replace('\0', "").chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_ten_minutes() {
        assert!((500..=1_000).contains(&backoff(1).as_millis()));
        assert!((2_000..=4_000).contains(&backoff(3).as_millis()));
        assert!((300_000..=600_000).contains(&backoff(40).as_millis()));
    }
}
