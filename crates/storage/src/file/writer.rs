//! The one thread that writes. What waits while a commit runs goes into the next one.

use std::{sync::Arc, thread::JoinHandle};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::operations::Operation;
use crate::StoreError;

/// Operations that one commit takes.
const MOST: usize = 1_024;

/// Something to do, and what to do with its outcome once that is on disk.
type Task = Box<dyn FnOnce(&WriteTransaction) -> Result<Answer, StoreError> + Send>;

/// Sends an outcome to whoever waits for it, or word that the commit failed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

pub(super) struct Writer {
    /// Taken at the end, which ends the thread.
    tasks: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(database: Arc<Database>) -> Result<Self, StoreError> {
        let (tasks, waiting) = mpsc::channel(4 * MOST);
        let thread = std::thread::Builder::new()
            .name("redb".into())
            .spawn(move || write(&database, waiting))
            .map_err(StoreError::failed)?;
        Ok(Self {
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    /// Does it; returns when it is on disk.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let task: Task = Box::new(move |tx| {
            let outcome = operation.apply(tx)?;
            Ok(Box::new(move |committed: Result<(), StoreError>| {
                let _ = answer.send(committed.map(|()| outcome));
            }) as Answer)
        });
        let tasks = self.tasks.as_ref().ok_or_else(closed)?;
        tasks.send(task).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.tasks.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the writer of the file store has ended: see the log".into())
}

fn write(database: &Database, mut waiting: mpsc::Receiver<Task>) {
    let mut tasks = Vec::with_capacity(MOST);
    while waiting.blocking_recv_many(&mut tasks, MOST) > 0 {
        if let Err(error) = commit(database, tasks.drain(..)) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the file store could not write"
            );
        }
    }
}

/// All of them in one transaction. Where one fails the file is at fault, not the operation: then all fail, and those
/// that wait see their channel closed.
fn commit(database: &Database, tasks: impl Iterator<Item = Task>) -> Result<(), StoreError> {
    let mut tx = database.begin_write().map_err(StoreError::failed)?;
    tx.set_quick_repair(true);
    let answers = tasks
        .map(|task| task(&tx))
        .collect::<Result<Vec<Answer>, StoreError>>()?;
    match tx.commit() {
        Ok(()) => answers.into_iter().for_each(|answer| answer(Ok(()))),
        Err(error) => {
            let why = error.to_string();
            answers
                .into_iter()
                .for_each(|answer| answer(Err(StoreError::Failed(why.clone().into()))));
            return Err(StoreError::failed(error));
        }
    }
    Ok(())
}
