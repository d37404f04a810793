//! Who waits in a lane, and whose turn it is.

use std::collections::{HashMap, HashSet, VecDeque};

use micro_domain::NamespaceId;
use tokio::time::Instant;

use super::{Bounds, Size};
use crate::StoreError;

/// What a new entry's owner has to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is taken care of.
    Waits,
    /// Nobody leads the lane yet.
    Leads,
    /// Nobody works off what its namespace has apart.
    GoesApart,
}

/// Everything that waits in one lane.
pub(super) struct Queues<E> {
    bounds: Bounds,
    /// In the lane, by namespace, and the namespaces in the order of their turns.
    shared: HashMap<NamespaceId, VecDeque<(Size, E)>>,
    turns: VecDeque<NamespaceId>,
    led: bool,
    /// Apart from the lane. There as long as somebody works it off.
    apart: HashMap<NamespaceId, VecDeque<(Size, E)>>,
    /// Up to when all that a namespace has goes apart.
    until: HashMap<NamespaceId, Instant>,
    waiting: HashMap<NamespaceId, Size>,
    all: Size,
    arrived: u64,
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn exceeds(self, bound: Self) -> bool {
        self.rows > bound.rows || self.bytes > bound.bytes
    }
}

impl<E> Queues<E> {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            shared: HashMap::new(),
            turns: VecDeque::new(),
            led: false,
            apart: HashMap::new(),
            until: HashMap::new(),
            waiting: HashMap::new(),
            all: Size::default(),
            arrived: 0,
        }
    }

    /// How many entries have been let in so far.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Lets an entry in, unless too much waits. One entry alone is never too much for its namespace.
    pub fn push(&mut self, namespace: NamespaceId, size: Size, entry: E, now: Instant) -> Result<Way, StoreError> {
        let waits = self.waiting.get(&namespace).copied().unwrap_or_default();
        if waits != Size::default() && waits.plus(size).exceeds(self.bounds.waiting) {
            return Err(StoreError::Busy("too many writes of this namespace wait"));
        }
        if self.all.plus(size).exceeds(self.bounds.all) {
            return Err(StoreError::Busy("too many writes wait"));
        }
        self.waiting.insert(namespace, waits.plus(size));
        self.all = self.all.plus(size);
        self.arrived += 1;
        if size.exceeds(self.bounds.big) || self.is_apart(namespace, now) {
            if !self.add_apart(namespace, size, entry) {
                return Ok(Way::Waits);
            }
            self.bring_along(namespace);
            return Ok(Way::GoesApart);
        }
        let queue = self.shared.entry(namespace).or_insert_with(|| {
            self.turns.push_back(namespace);
            VecDeque::new()
        });
        queue.push_back((size, entry));
        Ok(match std::mem::replace(&mut self.led, true) {
            true => Way::Waits,
            false => Way::Leads,
        })
    }

    /// What the next commit takes: one entry of each namespace in turn, as many as fit. Nothing ends the lead.
    pub fn take(&mut self) -> Vec<E> {
        let mut taken = Vec::new();
        let mut total = Size::default();
        while let Some(namespace) = self.turns.pop_front() {
            let queue = self.shared.get_mut(&namespace);
            let Some((size, _)) = queue.as_ref().and_then(|queue| queue.front()) else {
                continue;
            };
            if !taken.is_empty() && total.plus(*size).exceeds(self.bounds.commit) {
                self.turns.push_front(namespace);
                break;
            }
            let Some((queue, (size, entry))) = queue.and_then(|queue| queue.pop_front().map(|first| (queue, first)))
            else {
                continue;
            };
            match queue.is_empty() {
                true => drop(self.shared.remove(&namespace)),
                false => self.turns.push_back(namespace),
            }
            total = total.plus(size);
            self.forget(namespace, size);
            taken.push(entry);
        }
        if taken.is_empty() {
            self.led = false;
        }
        taken
    }

    /// The lead ended without its end: the next entry begins another.
    pub fn give_up_lead(&mut self) {
        self.led = false;
    }

    /// Entries of a failed commit, and all that their namespaces have waiting, go apart. Whose work nobody does yet.
    pub fn set_apart(&mut self, entries: impl Iterator<Item = (NamespaceId, Size, E)>) -> Vec<NamespaceId> {
        let mut begun = Vec::new();
        let mut namespaces = HashSet::new();
        for (namespace, size, entry) in entries {
            namespaces.insert(namespace);
            let waits = self.waiting.entry(namespace).or_default();
            *waits = waits.plus(size);
            self.all = self.all.plus(size);
            if self.add_apart(namespace, size, entry) {
                begun.push(namespace);
            }
        }
        for namespace in namespaces {
            self.bring_along(namespace);
        }
        begun
    }

    /// What a namespace has apart, as much as fits into a commit. Nothing means that nobody works it off any more.
    pub fn take_apart(&mut self, namespace: NamespaceId) -> Vec<E> {
        let mut taken = Vec::new();
        let mut total = Size::default();
        let Some(mut queue) = self.apart.remove(&namespace) else {
            return taken;
        };
        while let Some((size, _)) = queue.front() {
            if !taken.is_empty() && total.plus(*size).exceeds(self.bounds.commit) {
                break;
            }
            total = total.plus(*size);
            taken.extend(queue.pop_front().map(|(_, entry)| entry));
        }
        self.forget(namespace, total);
        if !taken.is_empty() {
            self.apart.insert(namespace, queue);
        }
        taken
    }

    /// Keeps a namespace out of the lane for a while.
    pub fn keep_apart(&mut self, namespace: NamespaceId, until: Instant) {
        self.until.insert(namespace, until);
    }

    /// Also while something of it is worked off apart: that may hold what its next entry waits for, and a lane that
    /// waits keeps everybody else waiting.
    fn is_apart(&mut self, namespace: NamespaceId, now: Instant) -> bool {
        if !self.until.is_empty() {
            self.until.retain(|_, until| *until > now);
        }
        self.apart.contains_key(&namespace) || self.until.contains_key(&namespace)
    }

    /// What a namespace has waiting in the lane goes apart with the rest of it.
    fn bring_along(&mut self, namespace: NamespaceId) {
        if let Some(left) = self.shared.remove(&namespace) {
            self.turns.retain(|turn| *turn != namespace);
            self.apart.entry(namespace).or_default().extend(left);
        }
    }

    /// Whether somebody must begin to work it off.
    fn add_apart(&mut self, namespace: NamespaceId, size: Size, entry: E) -> bool {
        let mut begins = false;
        let queue = self.apart.entry(namespace).or_insert_with(|| {
            begins = true;
            VecDeque::new()
        });
        queue.push_back((size, entry));
        begins
    }

    fn forget(&mut self, namespace: NamespaceId, size: Size) {
        self.all = self.all.minus(size);
        if let Some(waits) = self.waiting.get_mut(&namespace) {
            *waits = waits.minus(size);
            if *waits == Size::default() {
                self.waiting.remove(&namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn size(rows: usize, bytes: usize) -> Size {
        Size { rows, bytes }
    }

    fn queues() -> Queues<u32> {
        Queues::new(Bounds {
            commit: size(4, 100),
            big: size(2, 50),
            waiting: size(6, 500),
            all: size(12, 1_000),
        })
    }

    fn namespace(n: u128) -> NamespaceId {
        uuid::Uuid::from_u128(n).to_string().parse().expect("an id")
    }

    fn push(queues: &mut Queues<u32>, of: u128, bytes: usize, entry: u32) -> Result<Way, StoreError> {
        queues.push(namespace(of), size(1, bytes), entry, Instant::now())
    }

    #[tokio::test]
    async fn namespaces_take_turns_however_much_one_of_them_has() {
        let mut queues = queues();
        assert_eq!(push(&mut queues, 1, 1, 10).expect("room"), Way::Leads);
        for entry in 11..16 {
            assert_eq!(push(&mut queues, 1, 1, entry).expect("room"), Way::Waits);
        }
        push(&mut queues, 2, 1, 20).expect("room");
        push(&mut queues, 3, 1, 30).expect("room");
        assert_eq!(queues.take(), [10, 20, 30, 11]);
        push(&mut queues, 2, 1, 21).expect("room");
        assert_eq!(queues.take(), [12, 21, 13, 14]);
        assert_eq!(queues.take(), [15]);
        assert!(queues.take().is_empty());
        assert_eq!(push(&mut queues, 2, 1, 22).expect("room"), Way::Leads);
    }

    #[tokio::test]
    async fn a_commit_is_bounded_by_bytes_and_takes_at_least_one() {
        let mut queues = queues();
        for entry in 0..4 {
            push(&mut queues, entry.into(), 40, entry).expect("room");
        }
        assert_eq!(queues.take(), [0, 1]);
        assert_eq!(queues.take(), [2, 3]);
    }

    #[tokio::test]
    async fn one_namespace_and_all_together_are_bounded() {
        let mut queues = queues();
        for entry in 0..6 {
            push(&mut queues, 1, 1, entry).expect("room");
        }
        assert!(matches!(push(&mut queues, 1, 1, 6), Err(StoreError::Busy(_))));
        for entry in 0..6 {
            push(&mut queues, 2, 1, entry).expect("room");
        }
        assert!(matches!(push(&mut queues, 3, 1, 0), Err(StoreError::Busy(_))), "in all");
        assert_eq!(queues.take().len(), 4);
        push(&mut queues, 3, 1, 0).expect("there is room again");
        push(&mut queues, 1, 1, 6).expect("there is room again");
    }

    #[tokio::test]
    async fn big_ones_go_apart_and_are_worked_off_once() {
        let mut queues = queues();
        assert_eq!(push(&mut queues, 1, 60, 1).expect("room"), Way::GoesApart);
        assert_eq!(push(&mut queues, 1, 60, 2).expect("room"), Way::Waits);
        assert_eq!(queues.take_apart(namespace(1)), [1]);
        assert_eq!(queues.take_apart(namespace(1)), [2]);
        assert!(queues.take_apart(namespace(1)).is_empty());
        assert_eq!(push(&mut queues, 1, 60, 4).expect("room"), Way::GoesApart);
    }

    #[tokio::test]
    async fn small_ones_beside_a_big_one_never_make_the_lane_wait_for_it() {
        let mut queues = queues();
        push(&mut queues, 1, 10, 1).expect("room");
        push(&mut queues, 2, 10, 20).expect("room");
        assert_eq!(push(&mut queues, 1, 60, 2).expect("room"), Way::GoesApart);
        assert_eq!(queues.take(), [20], "what waited goes with the big one");
        assert_eq!(queues.take_apart(namespace(1)), [2, 1]);
        assert_eq!(push(&mut queues, 1, 10, 3).expect("room"), Way::Waits, "behind both");
        assert_eq!(queues.take_apart(namespace(1)), [3]);
        assert!(queues.take_apart(namespace(1)).is_empty());
        assert!(queues.take().is_empty());
        assert_eq!(push(&mut queues, 1, 10, 4).expect("room"), Way::Leads, "it is back");
    }

    #[tokio::test]
    async fn a_failed_namespace_stays_apart_until_its_work_is_done() {
        let mut queues = queues();
        push(&mut queues, 1, 1, 10).expect("room");
        push(&mut queues, 2, 1, 20).expect("room");
        let taken = queues.take();
        push(&mut queues, 1, 1, 11).expect("room");
        let entries = [
            (namespace(1), size(1, 1), taken[0]),
            (namespace(2), size(1, 1), taken[1]),
        ];
        assert_eq!(queues.set_apart(entries.into_iter()), [namespace(1), namespace(2)]);
        assert!(queues.take().is_empty(), "what waited went along");
        assert_eq!(push(&mut queues, 1, 1, 12).expect("room"), Way::Waits);
        assert_eq!(queues.take_apart(namespace(1)), [10, 11, 12]);
        assert!(queues.take_apart(namespace(1)).is_empty());
        assert_eq!(push(&mut queues, 1, 1, 13).expect("room"), Way::Leads, "it is back");
        queues.keep_apart(namespace(1), Instant::now() + Duration::from_secs(60));
        assert_eq!(push(&mut queues, 1, 1, 14).expect("room"), Way::GoesApart);
    }
}
