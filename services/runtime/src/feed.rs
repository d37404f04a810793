//! The news of one release, from its beginning until it runs or has failed: for those who wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream;
use micro_proto::runtime::ReleaseEvent;
use micro_rpc::Streaming;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::state::Status;

/// Lines beyond this are only in the log.
const MOST: usize = 4_000;
/// Lines kept once all is over.
const KEPT: usize = 100;

/// The news of one release. Watchers that come late get all of it.
pub struct Feed {
    release: u64,
    news: Mutex<News>,
    grew: watch::Sender<()>,
}

#[derive(Default)]
struct News {
    events: Vec<ReleaseEvent>,
    /// Events no longer kept, all before those that are.
    gone: usize,
    left_out: u64,
    status: i32,
    over: bool,
}

impl Feed {
    /// The feed of a release that was just asked for, or read back.
    pub fn of(release: u64) -> Arc<Self> {
        Arc::new(Self {
            release,
            news: Mutex::default(),
            grew: watch::Sender::new(()),
        })
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has come this far.
    pub fn status(&self, status: Status, now: OffsetDateTime) {
        self.push(status.number(), String::new(), String::new(), now, false);
    }

    /// A line of output.
    pub fn line(&self, text: impl Into<String>, now: OffsetDateTime) {
        let status = {
            let mut news = self.news();
            if news.events.len() >= MOST {
                news.left_out += 1;
                return;
            }
            news.status
        };
        self.push(status, text.into(), String::new(), now, false);
    }

    /// It runs.
    pub fn runs(&self, now: OffsetDateTime) {
        self.push(Status::Running.number(), String::new(), String::new(), now, true);
    }

    /// It will not run.
    pub fn failed(&self, error: impl Into<String>, now: OffsetDateTime) {
        self.push(Status::Error.number(), String::new(), error.into(), now, true);
    }

    /// It is no longer wanted.
    pub fn stopped(&self, now: OffsetDateTime) {
        self.push(Status::Stopped.number(), String::new(), String::new(), now, true);
    }

    fn push(&self, status: i32, line: String, error: String, now: OffsetDateTime, last: bool) {
        let timestamp = (now.unix_timestamp_nanos() / 1_000_000) as i64;
        let mut news = self.news();
        if news.over {
            return;
        }
        let event = |status, line, error| ReleaseEvent {
            release: self.release,
            status,
            line,
            error,
            timestamp,
        };
        if news.left_out > 0 && line.is_empty() {
            let words = format!("({} lines left out here; micro logs has them)", news.left_out);
            news.left_out = 0;
            let before = news.status;
            news.events.push(event(before, words, String::new()));
        }
        news.status = status;
        news.events.push(event(status, line, error));
        if last {
            news.over = true;
            let too_many = news.events.len().saturating_sub(KEPT);
            // Whoever watches now reads on from its place; only latecomers miss the beginning.
            if self.grew.receiver_count() == 0 {
                news.events.drain(..too_many);
                news.gone += too_many;
            }
        }
        drop(news);
        self.grew.send_replace(());
    }

    /// Everything so far, then everything that comes, to the end.
    pub fn watch(self: &Arc<Self>) -> Streaming<ReleaseEvent> {
        let state = (self.clone(), self.grew.subscribe(), 0_usize);
        Box::pin(stream::unfold(state, |(feed, mut grew, at)| async move {
            loop {
                grew.mark_unchanged();
                let (event, over, next) = {
                    let news = feed.news();
                    let at = at.max(news.gone);
                    (news.events.get(at - news.gone).cloned(), news.over, at + 1)
                };
                match event {
                    Some(event) => return Some((Ok(event), (feed, grew, next))),
                    None if over => return None,
                    None => grew.changed().await.ok()?,
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[tokio::test]
    async fn late_and_early_watchers_see_the_same() {
        let feed = Feed::of(3);
        let early = tokio::spawn(feed.watch().map(|e| e.expect("news")).collect::<Vec<_>>());
        feed.status(Status::Building, NOW);
        feed.line("Compiling greeter", NOW);
        feed.failed("Error building service: no", NOW);
        feed.runs(NOW);
        let late = feed.watch().map(|e| e.expect("news")).collect::<Vec<_>>().await;
        assert_eq!(early.await.expect("no panic"), late);
        let seen: Vec<_> = late
            .iter()
            .map(|e| (e.release, e.status, e.line.as_str(), e.error.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (3, 2, "", ""),
                (3, 2, "Compiling greeter", ""),
                (3, 7, "", "Error building service: no")
            ]
        );
    }

    #[tokio::test]
    async fn a_flood_is_bounded_and_says_so() {
        let feed = Feed::of(1);
        for n in 0..MOST + 10 {
            feed.line(format!("line {n}"), NOW);
        }
        feed.runs(NOW);
        let all = feed.watch().map(|e| e.expect("news")).collect::<Vec<_>>().await;
        assert_eq!(all.len(), KEPT);
        assert_eq!(all[KEPT - 2].line, "(10 lines left out here; micro logs has them)");
        assert_eq!(all[KEPT - 1].status, Status::Running.number());
    }
}
