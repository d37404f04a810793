//! The states of an attempt, as they come.

use std::time::Duration;

use futures::stream;
use micro_domain::AttemptId;
use micro_error::Error;
use micro_proto::signup::Status;
use micro_rpc::Streaming;
use tokio::{sync::broadcast, time::Instant};

use super::{Result, Signup};
use crate::{SignupError, State, attempt::Attempt};

/// How often to look for changes that another process made.
const POLL: Duration = Duration::from_secs(1);

/// What a watcher was told last.
#[derive(Default, PartialEq, Eq)]
struct Told {
    state: String,
    message: String,
}

struct Watcher {
    signup: Signup,
    id: AttemptId,
    changed: broadcast::Receiver<AttemptId>,
    told: Told,
    over: bool,
}

impl Signup {
    /// The current state first, then each change, up to the last.
    pub(crate) fn watch(&self, attempt: &Attempt) -> Streaming<Status> {
        let watcher = Watcher {
            signup: self.clone(),
            id: attempt.id,
            changed: self.0.changed.subscribe(),
            told: Told::default(),
            over: false,
        };
        Box::pin(stream::unfold(watcher, |mut watcher| async {
            let next = watcher.next().await?;
            Some((next.map_err(Error::from), watcher))
        }))
    }

    /// Waits until the attempt is as asked; none when time is up.
    pub(super) async fn wait_until(
        &self,
        id: AttemptId,
        until: Instant,
        is: impl Fn(&Attempt) -> bool,
    ) -> Result<Option<Attempt>> {
        let mut changed = self.0.changed.subscribe();
        loop {
            let attempt = self.find_attempt(id).await?.ok_or(SignupError::BadHandle)?;
            if is(&attempt) {
                return Ok(Some(attempt));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            next_change(&mut changed, id, until.min(Instant::now() + POLL)).await;
        }
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Status>> {
        while !self.over {
            let attempt = match self.signup.find_attempt(self.id).await {
                Ok(Some(attempt)) => attempt,
                Ok(None) => return None,
                Err(e) => {
                    self.over = true;
                    return Some(Err(e));
                }
            };
            let state = if attempt.is_over(self.signup.now()) {
                State::Expired
            } else {
                attempt.state
            };
            self.over = state.is_final();
            let told = Told {
                state: state.as_str().to_owned(),
                message: attempt.message.clone(),
            };
            if told != self.told {
                let status = Status {
                    state: told.state.clone(),
                    message: told.message.clone(),
                };
                self.told = told;
                return Some(Ok(status));
            }
            // The browser's way back may have been cut off.
            self.signup.look_for_card(attempt).await;
            next_change(&mut self.changed, self.id, Instant::now() + POLL).await;
        }
        None
    }
}

/// Returns when the attempt changed in this process, may have, or `until` has come.
async fn next_change(changed: &mut broadcast::Receiver<AttemptId>, id: AttemptId, until: Instant) {
    let rung = async {
        loop {
            match changed.recv().await {
                Ok(other) if other != id => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    // Time being up is an answer too.
    let _ = tokio::time::timeout_at(until, rung).await;
}
