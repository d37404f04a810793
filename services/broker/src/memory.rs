//! Messages carried inside this process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_proto::broker::Message;

use crate::{
    Address, Exchange, ExchangeError, Subscription,
    mailbox::{Buffered, Mailbox},
};

/// The subscribers of this process. Clones are the same ones.
#[derive(Clone, Default)]
pub struct MemoryExchange {
    topics: Arc<Mutex<HashMap<Address, Topic>>>,
    buffered: Arc<Mutex<HashMap<NamespaceId, Buffered>>>,
}

#[derive(Default)]
struct Topic {
    /// Who gets every message.
    all: Vec<Arc<Mailbox>>,
    /// Who takes turns.
    queues: HashMap<String, VecDeque<Arc<Mailbox>>>,
}

impl MemoryExchange {
    fn topics(&self) -> MutexGuard<'_, HashMap<Address, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the subscribers of a namespace share.
    fn buffered(&self, namespace: NamespaceId) -> Buffered {
        let mut buffered = self.buffered.lock().unwrap_or_else(PoisonError::into_inner);
        if !buffered.contains_key(&namespace) {
            buffered.retain(|_, shared| shared.is_used());
        }
        buffered.entry(namespace).or_default().clone()
    }

    /// Takes a seat.
    pub(crate) fn join(&self, to: &Address, queue: &str) -> Subscription {
        let mailbox = Arc::new(Mailbox::sharing(self.buffered(to.namespace)));
        let mut topics = self.topics();
        let topic = topics.entry(to.clone()).or_default();
        match queue {
            "" => topic.all.push(mailbox.clone()),
            named => topic.queues.entry(named.into()).or_default().push_back(mailbox.clone()),
        }
        drop(topics);
        let (exchange, to, queue, seat) = (self.clone(), to.clone(), queue.to_owned(), mailbox.clone());
        Subscription::new(mailbox, move || exchange.leave(&to, &queue, &seat))
    }

    fn leave(&self, to: &Address, queue: &str, seat: &Arc<Mailbox>) {
        let mut topics = self.topics();
        let Some(topic) = topics.get_mut(to) else { return };
        topic.all.retain(|mailbox| !Arc::ptr_eq(mailbox, seat));
        if let Some(members) = topic.queues.get_mut(queue) {
            members.retain(|mailbox| !Arc::ptr_eq(mailbox, seat));
            if members.is_empty() {
                topic.queues.remove(queue);
            }
        }
        if topic.all.is_empty() && topic.queues.is_empty() {
            topics.remove(to);
        }
    }

    /// The topic's queues that have members here.
    pub(crate) fn queues(&self, to: &Address) -> Vec<String> {
        self.topics()
            .get(to)
            .map(|topic| topic.queues.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Gives the message to everyone without a queue, and to one of each queue that is `mine`.
    pub(crate) fn deliver(&self, to: &Address, message: &Arc<Message>, mine: impl Fn(&str) -> bool) {
        let mut topics = self.topics();
        let Some(topic) = topics.get_mut(to) else { return };
        for mailbox in &topic.all {
            if !mailbox.offer(message) {
                mailbox.miss();
            }
        }
        for (_, members) in topic.queues.iter_mut().filter(|(name, _)| mine(name)) {
            hand_to_one(members, message);
        }
    }
}

/// Whose turn it is, or the next who has room. Where nobody has, whose turn it was is told.
fn hand_to_one(members: &mut VecDeque<Arc<Mailbox>>, message: &Arc<Message>) {
    match members.iter().position(|mailbox| mailbox.offer(message)) {
        Some(taker) => members.rotate_left(taker + 1),
        None => {
            if let Some(first) = members.front() {
                first.miss();
            }
            members.rotate_left(1.min(members.len()));
        }
    }
}

#[async_trait]
impl Exchange for MemoryExchange {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), ExchangeError> {
        self.deliver(to, &Arc::new(message), |_| true);
        Ok(())
    }

    async fn subscribe(&self, to: &Address, queue: &str) -> Result<Subscription, ExchangeError> {
        Ok(self.join(to, queue))
    }
}
