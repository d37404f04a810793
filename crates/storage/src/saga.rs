//! Sagas: long work in named steps, each recorded before it is passed, resumed after any crash.
//!
//! A step's effect may have happened although it is not recorded, so each must be safe to repeat; it is told
//! whether it may be the second time. A saga runs under a job's claim: one runner at a time.
//!
//! ```
//! use micro_storage::saga::{Saga, failpoints};
//!
//! struct Signup;
//! impl Saga for Signup {
//!     const NAME: &'static str = "signup";
//!     const STEPS: &'static [&'static str] = &["name", "customer", "charge"];
//! }
//! assert_eq!(failpoints::<Signup>()[4], "signup.customer.intent");
//! ```

use std::{collections::HashMap, future::Future, marker::PhantomData, sync::Arc};

use micro_clock::Clock;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{StoreError, db::SystemDb, failpoint::failpoint};

/// A kind of saga.
pub trait Saga {
    /// Its name, in records and failpoints.
    const NAME: &'static str;
    /// Its steps, in order.
    const STEPS: &'static [&'static str];
}

/// The moments of a step at which a crash is different: before the intent is recorded, before the effect, before
/// its outcome is recorded, and before that is passed on.
const MOMENTS: [&str; 4] = ["intent", "effect", "record", "reply"];

/// Every failpoint of a saga, in order: `<saga>.<step>.<moment>`.
pub fn failpoints<S: Saga>() -> Vec<String> {
    let steps = S::STEPS.iter();
    steps
        .flat_map(|step| MOMENTS.map(|moment| format!("{}.{step}.{moment}", S::NAME)))
        .collect()
}

/// Whether a step's effect may have happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Certainly not.
    First,
    /// It was begun before, and how that ended is not known.
    Again,
}

#[derive(Clone, Debug)]
enum Recorded {
    Intended,
    Done(String),
    Undone,
}

/// One saga under way.
pub struct Run<S> {
    db: SystemDb,
    clock: Arc<dyn Clock>,
    id: Uuid,
    recorded: HashMap<String, Recorded>,
    saga: PhantomData<fn() -> S>,
}

impl<S: Saga> Run<S> {
    /// Starts the saga of this id, or goes on with it.
    pub async fn open(db: &SystemDb, clock: Arc<dyn Clock>, id: Uuid) -> Result<Self, StoreError> {
        let mut tx = db.begin().await?;
        let rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as("select step, state, output from saga_steps where saga_id = $1 and saga = $2")
                .bind(id)
                .bind(S::NAME)
                .fetch_all(tx.conn())
                .await?;
        tx.commit().await?;
        let recorded = rows.into_iter().map(|(step, state, output)| {
            let recorded = match (state.as_str(), output) {
                ("done", Some(output)) => Recorded::Done(output),
                ("undone", _) => Recorded::Undone,
                _ => Recorded::Intended,
            };
            (step, recorded)
        });
        Ok(Self {
            db: db.clone(),
            clock,
            id,
            recorded: recorded.collect(),
            saga: PhantomData,
        })
    }

    /// Does a step, unless it is recorded as done: then its recorded outcome is returned. An effect that fails
    /// leaves the intent, and the next run of the step is told so.
    pub async fn step<T, E, F, Fut>(&mut self, name: &'static str, effect: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<StoreError>,
        F: FnOnce(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.known(name)?;
        let attempt = match self.recorded.get(name) {
            Some(Recorded::Done(output)) => return Ok(read(output)?),
            Some(Recorded::Intended) => Attempt::Again,
            Some(Recorded::Undone) | None => {
                self.pause(name, 0);
                self.record(name, Recorded::Intended).await?;
                Attempt::First
            }
        };
        self.pause(name, 1);
        let outcome = effect(attempt).await?;
        self.pause(name, 2);
        let output = serde_json::to_string(&outcome).map_err(StoreError::failed)?;
        self.record(name, Recorded::Done(output)).await?;
        self.pause(name, 3);
        Ok(outcome)
    }

    /// Takes a step back if it was begun, given its outcome where that is known; it may then be done again.
    pub async fn undo<T, E, F, Fut>(&mut self, name: &'static str, undo: F) -> Result<(), E>
    where
        T: DeserializeOwned,
        E: From<StoreError>,
        F: FnOnce(Option<T>) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        self.known(name)?;
        let outcome = match self.recorded.get(name) {
            None | Some(Recorded::Undone) => return Ok(()),
            Some(Recorded::Intended) => None,
            Some(Recorded::Done(output)) => Some(read(output)?),
        };
        undo(outcome).await?;
        Ok(self.record(name, Recorded::Undone).await?)
    }

    /// A step's recorded outcome.
    pub fn outcome<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.recorded.get(name) {
            Some(Recorded::Done(output)) => read(output).map(Some),
            _ => Ok(None),
        }
    }

    fn known(&self, name: &str) -> Result<(), StoreError> {
        match S::STEPS.contains(&name) {
            true => Ok(()),
            false => Err(StoreError::Invalid(format!("saga {} has no step {name}", S::NAME))),
        }
    }

    fn pause(&self, name: &str, moment: usize) {
        if cfg!(feature = "failpoints") {
            failpoint(&format!("{}.{name}.{}", S::NAME, MOMENTS[moment]));
        }
    }

    async fn record(&mut self, name: &str, recorded: Recorded) -> Result<(), StoreError> {
        let (state, output) = match &recorded {
            Recorded::Intended => ("intended", None),
            Recorded::Done(output) => ("done", Some(output.as_str())),
            Recorded::Undone => ("undone", None),
        };
        let now = self.clock.now();
        crate::db::retrying(|| async {
            let mut tx = self.db.begin().await?;
            sqlx::query(
                "insert into saga_steps (saga_id, saga, step, state, output, recorded_at) values ($1, $2, $3, $4, $5, $6)
                 on conflict (saga_id, saga, step) do update
                    set state = excluded.state, output = excluded.output, recorded_at = excluded.recorded_at",
            )
            .bind(self.id)
            .bind(S::NAME)
            .bind(name)
            .bind(state)
            .bind(output)
            .bind(now)
            .execute(tx.conn())
            .await?;
            tx.commit().await
        })
        .await?;
        self.recorded.insert(name.to_owned(), recorded);
        Ok(())
    }
}

fn read<T: DeserializeOwned>(output: &str) -> Result<T, StoreError> {
    serde_json::from_str(output).map_err(|error| StoreError::Damaged(format!("a saga's recorded step: {error}")))
}
