//! `broker.Broker`.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_error::Error;
use micro_proto::broker::{Broker, Empty, Message, PublishRequest, SubscribeRequest};
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use crate::{Address, App, BrokerError, headers, mailbox::size_of};

/// The longest name of a topic or queue.
const LONGEST_NAME: usize = 256;

#[async_trait]
impl Broker for App {
    async fn publish(&self, caller: &Caller, request: PublishRequest) -> Result<Empty, Error> {
        let published = self.publish_message(caller, request).await;
        published.map(|()| Empty {}).map_err(|e| e.at("broker.Broker.Publish"))
    }

    async fn subscribe(&self, caller: &Caller, request: SubscribeRequest) -> Result<Streaming<Message>, Error> {
        let subscribed = self.open_subscription(caller, request).await;
        subscribed.map_err(|e| e.at("broker.Broker.Subscribe"))
    }
}

impl App {
    async fn publish_message(&self, caller: &Caller, request: PublishRequest) -> Result<(), BrokerError> {
        let to = address(caller, request.topic)?;
        let mut message = request.message.ok_or(BrokerError::NoMessage)?;
        headers::complete(&mut message.header, caller.metadata());
        let (size, limit) = (size_of(&message), self.parts.limits.message_bytes);
        if size as u64 > limit.max {
            return Err(BrokerError::TooLarge { size, limit });
        }
        Ok(self.parts.exchange.publish(&to, message).await?)
    }

    /// The stream never ends by itself: a client that subscribes again has lost what came between.
    async fn open_subscription(
        &self,
        caller: &Caller,
        request: SubscribeRequest,
    ) -> Result<Streaming<Message>, BrokerError> {
        let to = address(caller, request.topic)?;
        check_name(&request.queue)?;
        let seat = self.seats.take(&to, &self.parts.limits)?;
        let subscription = self.parts.exchange.subscribe(&to, &request.queue).await?;
        let messages = stream::unfold((subscription, seat), |(mut subscription, seat)| async move {
            let message = subscription.next().await;
            Some((Ok(message), (subscription, seat)))
        });
        Ok(messages.boxed())
    }
}

/// A topic of the caller's own namespace, whatever its name.
fn address(caller: &Caller, topic: String) -> Result<Address, BrokerError> {
    let tenant = caller.enter("").map_err(|_| BrokerError::Denied)?;
    if topic.is_empty() {
        return Err(BrokerError::NoTopic);
    }
    check_name(&topic)?;
    Ok(Address {
        namespace: tenant.id(),
        topic,
    })
}

fn check_name(name: &str) -> Result<(), BrokerError> {
    match name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        true => Err(BrokerError::Name(LONGEST_NAME)),
        false => Ok(()),
    }
}
