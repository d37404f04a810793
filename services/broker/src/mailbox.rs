//! One subscriber's buffer: bounded in messages and bytes. Publishers never wait for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use micro_proto::broker::Message;
use tokio::sync::Notify;

/// The header that tells how many messages were left out just before this one.
pub const MISSED: &str = "Micro-Missed";

/// As many messages as a subscriber may be behind.
pub const BUFFERED_MESSAGES: usize = 1_024;
/// As many bytes as a subscriber may be behind.
pub const BUFFERED_BYTES: usize = 4 << 20;

/// Messages on their way to one subscriber.
#[derive(Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Each with how many were left out just before it.
    messages: VecDeque<(Arc<Message>, u64)>,
    bytes: usize,
    missed: u64,
}

impl Mailbox {
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
        let missed = std::mem::take(&mut waiting.missed);
        waiting.messages.push_back((message.clone(), missed));
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
        let (message, missed) = waiting.messages.pop_front()?;
        waiting.bytes -= size_of(&message);
        Some((message, missed))
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
    fn bytes_are_bounded_too() {
        let mailbox = Mailbox::default();
        assert!(mailbox.offer(&message(BUFFERED_BYTES - 1)));
        assert!(mailbox.offer(&message(1)) && !mailbox.offer(&message(1)));
    }
}
