//! What carries messages: a port with two adapters and one contract (tests/it/contract.rs).

use std::sync::Arc;

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_proto::broker::Message;

use crate::{ExchangeError, mailbox::Mailbox};

/// A topic of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whose.
    pub namespace: NamespaceId,
    /// Its name there.
    pub topic: String,
}

/// Carries messages from publishers to subscribers.
#[async_trait]
pub trait Exchange: Send + Sync + 'static {
    /// Gives the message to every subscriber without a queue, and to one of each queue. Waits for none of them.
    async fn publish(&self, to: &Address, message: Message) -> Result<(), ExchangeError>;

    /// Messages that are published once this has returned. Subscribers that name the same queue share; the empty
    /// name is no queue.
    async fn subscribe(&self, to: &Address, queue: &str) -> Result<Subscription, ExchangeError>;
}

/// One subscriber's messages, until it is dropped.
pub struct Subscription {
    mailbox: Arc<Mailbox>,
    leaving: Leaving,
}

impl Subscription {
    pub(crate) fn new(mailbox: Arc<Mailbox>, leave: impl FnOnce() + Send + 'static) -> Self {
        Self {
            mailbox,
            leaving: Leaving(Some(Box::new(leave))),
        }
    }

    /// The same subscription, with more to do at its end.
    pub(crate) fn and_then(mut self, leave: impl FnOnce() + Send + 'static) -> Self {
        let first = self.leaving.0.take();
        self.leaving.0 = Some(Box::new(move || {
            if let Some(first) = first {
                first();
            }
            leave();
        }));
        self
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        self.mailbox.next().await
    }
}

struct Leaving(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(leave) = self.0.take() {
            leave();
        }
    }
}
