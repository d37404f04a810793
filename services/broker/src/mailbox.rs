//! One subscriber's buffer: bounded in messages and bytes. Publishers never wait for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use micro_proto::broker::Message;
use tokio::sync::Notify;

/// The header that tells how many messages were left out just before this one.
pub const MISSED: &str = "Micro-Missed";

/// As many messages as a subscriber may be behind.
pub const BUFFERED_MESSAGES: usize = 1_024;
/// As many bytes as a subscriber may be behind.
pub const BUFFERED_BYTES: usize = 4 << 20;

/// As many bytes as all subscribers of a namespace may be behind together,
pub const NAMESPACE_BYTES: usize = 64 << 20;
/// apart from what each may be in any case.
const OWN_BYTES: usize = 64 << 10;

/// Bytes that wait for the subscribers of one namespace.
#[derive(Clone, Default)]
pub struct Buffered(Arc<AtomicUsize>);

impl Buffered {
    /// Counts so many more, unless that is too much.
    fn take(&self, size: usize) -> bool {
        let room = |used: usize| Some(used + size).filter(|used| *used <= NAMESPACE_BYTES);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    fn give_back(&self, size: usize) {
        self.0.fetch_sub(size, Ordering::Relaxed);
    }

    /// Whether a subscriber counts by it.
    pub fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Messages on their way to one subscriber.
#[derive(Default)]
pub struct Mailbox {
    buffered: Buffered,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Kept>,
    bytes: usize,
    missed: u64,
}

struct Kept {
    message: Arc<Message>,
    /// How many were left out just before it.
    missed: u64,
    /// Counts among what the namespace's subscribers share.
    shared: bool,
}

impl Mailbox {
    /// One that shares what its namespace may have with others.
    pub fn sharing(buffered: Buffered) -> Self {
        Self {
            buffered,
            waiting: Mutex::default(),
            arrived: Notify::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in, if there is room.
    pub fn offer(&self, message: &Arc<Message>) -> bool {
        let size = size_of(message);
        let mut waiting = self.waiting();
        let full = waiting.messages.len() >= BUFFERED_MESSAGES || waiting.bytes + size > BUFFERED_BYTES;
        if full {
            return false;
        }
        let shared = waiting.bytes + size > OWN_BYTES;
        if shared && !self.buffered.take(size) {
            return false;
        }
        let missed = std::mem::take(&mut waiting.missed);
        waiting.messages.push_back(Kept {
            message: message.clone(),
            missed,
            shared,
        });
        waiting.bytes += size;
        drop(waiting);
        self.arrived.notify_one();
        true
    }

    /// A message was left out.
    pub fn miss(&self) {
        self.waiting().missed += 1;
    }

    /// Takes the oldest out, waiting for one. For one taker at a time.
    pub async fn next(&self) -> Message {
        loop {
            if let Some((message, missed)) = self.take() {
                let mut message = Arc::unwrap_or_clone(message);
                if missed > 0 {
                    message.header.insert(MISSED.into(), missed.to_string());
                }
                return message;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<(Arc<Message>, u64)> {
        let mut waiting = self.waiting();
        let kept = waiting.messages.pop_front()?;
        let size = size_of(&kept.message);
        waiting.bytes -= size;
        if kept.shared {
            self.buffered.give_back(size);
        }
        Some((kept.message, kept.missed))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}

/// Bytes of a message: what limits count.
pub fn size_of(message: &Message) -> usize {
    let header: usize = message
        .header
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    header + message.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: usize) -> Arc<Message> {
        Arc::new(Message {
            body: vec![7; body],
            ..Default::default()
        })
    }

    #[tokio::test]
    async fn a_full_buffer_takes_nothing_and_the_next_message_says_how_many_were_left_out() {
        let mailbox = Mailbox::default();
        while mailbox.offer(&message(1)) {}
        mailbox.miss();
        assert!(!mailbox.offer(&message(1)));
        mailbox.miss();
        for _ in 0..BUFFERED_MESSAGES {
            assert!(
                !mailbox.next().await.header.contains_key(MISSED),
                "published before the gap"
            );
        }
        assert!(mailbox.offer(&message(1)) && mailbox.offer(&message(1)));
        assert_eq!(mailbox.next().await.header.get(MISSED).map(String::as_str), Some("2"));
        assert!(!mailbox.next().await.header.contains_key(MISSED), "told once");
    }

    #[test]
    fn what_a_namespaces_subscribers_leave_unread_is_bounded_together() {
        let buffered = Buffered::default();
        let full = NAMESPACE_BYTES / BUFFERED_BYTES;
        let piece = message(OWN_BYTES);
        let mut mailboxes: Vec<_> = (0..2 * full).map(|_| Mailbox::sharing(buffered.clone())).collect();
        let fill = |mailbox: &Mailbox| (0..).take_while(|_| mailbox.offer(&piece)).count();
        let taken: Vec<_> = mailboxes.iter().map(fill).collect();
        assert_eq!(taken[0], BUFFERED_BYTES / OWN_BYTES, "alone there is room");
        assert_eq!(taken[2 * full - 1], 1, "each has its own little room");
        assert!(buffered.0.load(Ordering::Relaxed) <= NAMESPACE_BYTES);
        assert_eq!(
            fill(&Mailbox::default()),
            BUFFERED_BYTES / OWN_BYTES,
            "another namespace has its own"
        );
        let last = mailboxes.pop().expect("some");
        drop(mailboxes);
        assert_eq!(
            fill(&last),
            BUFFERED_BYTES / OWN_BYTES - 1,
            "those that left gave it back"
        );
        drop(last);
        assert_eq!(buffered.0.load(Ordering::Relaxed), 0);
        assert!(!buffered.is_used());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mailbox = Mailbox::default();
        assert!(mailbox.offer(&message(BUFFERED_BYTES - 1)));
        assert!(mailbox.offer(&message(1)) && !mailbox.offer(&message(1)));
    }
}
