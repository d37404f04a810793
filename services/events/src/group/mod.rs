//! Groups: their members share a topic's events, one at a time and in order.
//!
//! One task a group (`task`) hands events out. Members (`member`) ask it for the next one when they can send it, so
//! that nobody who is slow holds an event back.

mod delivery;
mod member;
mod task;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::place::{Place, TopicKey};
use delivery::Ask;
pub use member::Member;
pub use task::{Began, Group};

/// How a member wants its events.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Done once it is sent; otherwise once it is acknowledged.
    pub auto_ack: bool,
    /// How long an event may take before it comes again.
    pub ack_wait: Duration,
    /// How often it comes again before the group gives it up; `None`: for ever.
    pub retry_limit: Option<u64>,
}

/// A member's word on an event.
#[derive(Debug)]
pub struct Ack {
    /// Who says so.
    pub member: u64,
    /// Of which event.
    pub id: String,
    /// Done, or refused.
    pub success: bool,
}

/// What a group's task is told.
enum Said {
    /// A member can send one more.
    Ask(Ask),
    /// A member is gone.
    Left(u64),
    /// There are events to be given again.
    LookAgain,
    /// Where the group stands was changed.
    Reread,
}

/// A group among those of all topics.
pub type GroupKey = (TopicKey, String);

/// The groups that have members in this process. Clones are the same.
#[derive(Clone, Default)]
pub struct Roster(Arc<Mutex<HashMap<GroupKey, Live>>>);

struct Live {
    said: mpsc::UnboundedSender<Said>,
    acks: mpsc::Sender<Ack>,
    members: usize,
    joined: u64,
}

/// Acknowledgements that wait for a group's task; senders wait beyond that.
const ACKS: usize = 64;

impl Roster {
    fn live(&self) -> MutexGuard<'_, HashMap<GroupKey, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a group; the first member starts its task with what `begin` makes.
    pub fn join(&self, place: &Place, group: &str, manner: Manner, begin: impl FnOnce() -> Began) -> Member {
        let key = (place.key(), group.to_owned());
        let mut live = self.live();
        let joined = live.entry(key.clone()).or_insert_with(|| {
            let (said, heard) = mpsc::unbounded_channel();
            let (acks, acked) = mpsc::channel(ACKS);
            let task = Group::new(begin(), key.clone(), self.clone(), heard, acked);
            tokio::spawn(task.run());
            Live {
                said,
                acks,
                members: 0,
                joined: 0,
            }
        });
        joined.members += 1;
        joined.joined += 1;
        let (id, said, acks) = (joined.joined, joined.said.clone(), joined.acks.clone());
        drop(live);
        Member::new(
            id,
            manner,
            said,
            acks,
            Seat {
                roster: self.clone(),
                key,
            },
        )
    }

    fn leave(&self, key: &GroupKey) {
        if let Some(group) = self.live().get_mut(key) {
            group.members -= 1;
        }
    }

    /// Whether a group has no members.
    fn is_empty(&self, key: &GroupKey) -> bool {
        self.live().get(key).is_none_or(|group| group.members == 0)
    }

    /// Forgets a group without members; whether it had none.
    fn close(&self, key: &GroupKey) -> bool {
        let mut live = self.live();
        let empty = live.get(key).is_none_or(|group| group.members == 0);
        if empty {
            live.remove(key);
        }
        empty
    }

    /// Whether a group has members here.
    pub fn is_live(&self, place: &Place, group: &str) -> bool {
        !self.is_empty(&(place.key(), group.to_owned()))
    }

    /// There are events to be given again.
    pub fn look_again(&self, place: &Place, group: &str) {
        self.tell(place, group, Said::LookAgain);
    }

    /// Where the group stands was changed.
    pub fn reread(&self, place: &Place, group: &str) {
        self.tell(place, group, Said::Reread);
    }

    fn tell(&self, place: &Place, group: &str, said: Said) {
        if let Some(group) = self.live().get(&(place.key(), group.to_owned())) {
            let _its_task_may_be_ending = group.said.send(said);
        }
    }
}

/// A member's place in the count, until it is dropped.
pub struct Seat {
    roster: Roster,
    key: GroupKey,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.leave(&self.key);
    }
}
