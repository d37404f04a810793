//! A broker in this process, and who calls it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use micro_broker::{App, Exchange, MemoryExchange, Parts};
use micro_domain::Limits;
use micro_error::Error;
use micro_proto::broker::{Broker, Message, PublishRequest, SubscribeRequest};
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use micro_testkit::{authority, principal};
use tokio::time::timeout;

/// Longer than anything here takes.
pub const SOON: Duration = Duration::from_secs(20);

pub struct World {
    pub broker: App,
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::DEVELOPER)
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(Arc::new(MemoryExchange::default()), limits)
    }

    pub fn on(exchange: Arc<dyn Exchange>, limits: Limits) -> Self {
        let broker = App::new(Parts { exchange, limits });
        Self { broker }
    }

    pub async fn subscribe(&self, caller: &Caller, topic: &str, queue: &str) -> Result<Streaming<Message>, Error> {
        let request = SubscribeRequest {
            topic: topic.into(),
            queue: queue.into(),
        };
        self.broker.subscribe(caller, request).await
    }

    pub async fn publish(&self, caller: &Caller, topic: &str, message: Option<Message>) -> Result<(), Error> {
        let request = PublishRequest {
            topic: topic.into(),
            message,
        };
        self.broker.publish(caller, request).await.map(|_| ())
    }
}

/// The owner of a namespace.
pub fn owner(namespace: &str) -> Caller {
    authority().verified(principal(namespace, "ada"))
}

pub fn text(body: &str) -> Message {
    Message {
        header: BTreeMap::new(),
        body: body.into(),
    }
}

/// The next message's body.
pub async fn next(messages: &mut Streaming<Message>) -> String {
    let message = timeout(SOON, messages.next())
        .await
        .expect("soon")
        .expect("it never ends")
        .expect("no error");
    String::from_utf8(message.body).expect("text")
}

/// Micro's id, code and detail.
pub fn words<T>(result: Result<T, Error>) -> (String, i32, String) {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => {
            let wire = error.to_wire();
            (wire.id, wire.code, wire.detail)
        }
    }
}
