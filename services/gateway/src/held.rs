//! What a request holds until it is over, and how long it may go on.

use std::{any::Any, pin::Pin, sync::Arc};

use futures::{StreamExt, stream};
use micro_error::{Error, Kind};
use micro_rpc::{Frames, Status};
use micro_tenancy::Verify;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::bounds;

/// Room that a request takes. Whoever works for it has a clone: it is given back with the last of them.
#[derive(Clone)]
pub struct Held(#[expect(dead_code, reason = "held for its drop")] Arc<dyn Any + Send + Sync>);

impl Held {
    pub fn new(permit: impl Send + Sync + 'static) -> Self {
        Self(Arc::new(permit))
    }
}

/// When what goes on for long is looked at again: one core's clock for all of it. A timer for each call would have to
/// be set and taken back for every call that waits at all.
#[derive(Clone, Default)]
pub struct Looks(Arc<Notify>);

impl Looks {
    /// Strikes for as long as it is polled.
    pub async fn strike(self) {
        loop {
            tokio::time::sleep(bounds::LOOK_AGAIN).await;
            self.0.notify_waiters();
        }
    }
}

/// The token that a request came with. What goes on for long ends soon after its token was revoked; one that
/// merely expires may finish what it began.
#[derive(Clone)]
pub struct Pass {
    pub looks: Looks,
    pub verifier: Arc<dyn Verify>,
    pub token: Arc<SecretString>,
    /// When it was let in.
    pub at: OffsetDateTime,
}

impl Pass {
    /// Resolves once the token is revoked.
    pub async fn revoked(&self) -> Status {
        // No stroke is missed while the token is looked at: the next is waited for before.
        let mut stroke = self.looks.0.notified();
        loop {
            stroke.await;
            stroke = self.looks.0.notified();
            if self
                .verifier
                .verify(self.token.expose_secret(), self.at)
                .await
                .is_none()
            {
                return Error::new(Kind::Unauthenticated, "auth", "This login has ended").into();
            }
        }
    }
}

/// What comes of the work, unless the token is revoked meanwhile. The work stays where it is: it is long.
pub async fn unless_revoked<T>(
    work: Pin<&mut impl Future<Output = Result<T, Status>>>,
    pass: Option<&Pass>,
) -> Result<T, Status> {
    let Some(pass) = pass else { return work.await };
    tokio::select! {
        biased;
        done = work => done,
        status = pass.revoked() => Err(status),
    }
}

/// The same messages, ended once the token is revoked.
pub fn until_revoked(frames: Frames, pass: Option<Pass>) -> Frames {
    let Some(pass) = pass else { return frames };
    let revoked = Box::pin(async move { pass.revoked().await });
    Box::pin(stream::unfold(Some((frames, revoked)), |open| async {
        let (mut frames, mut revoked) = open?;
        tokio::select! {
            biased;
            status = &mut revoked => Some((Err(status), None)),
            next = frames.next() => Some((next?, Some((frames, revoked)))),
        }
    }))
}
