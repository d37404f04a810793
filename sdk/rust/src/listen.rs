//! Handlers of events and messages: they listen as long as the service runs, and again after a lost connection.

use std::{future::Future, pin::Pin, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time;

use crate::{Context, Error, log};

/// How long to wait before listening again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
pub(crate) type Listener = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

pub(crate) fn to_events<T, F, R>(topic: String, handler: F) -> Listener
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    Box::new(move |context| {
        Box::pin(async move {
            loop {
                let ended = follow_events(&context, &topic, &handler).await;
                pause(&topic, ended).await;
            }
        })
    })
}

pub(crate) fn to_messages<T, F, R>(topic: String, handler: F) -> Listener
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    Box::new(move |context| {
        Box::pin(async move {
            loop {
                let ended = follow_messages(&context, &topic, &handler).await;
                pause(&topic, ended).await;
            }
        })
    })
}

async fn follow_events<T, F, R>(context: &Context, topic: &str, handler: &F) -> Result<(), Error>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut events = context.events().consume::<T>(topic, context.service()).await?;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let (payload, receipt) = event.split();
                match apart(handler(context.again(), payload)).await {
                    Ok(()) => receipt.ack().await?,
                    Err(e) => {
                        failed(topic, &e);
                        receipt.refuse().await?;
                    }
                }
            }
            Err(e) => failed(topic, &e),
        }
    }
    Ok(())
}

async fn follow_messages<T, F, R>(context: &Context, topic: &str, handler: &F) -> Result<(), Error>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut messages = context.broker().subscribe::<T>(topic, context.service()).await?;
    while let Some(message) = messages.next().await {
        let done = match message {
            Ok(message) => apart(handler(context.again(), message.body)).await,
            Err(e) => Err(e),
        };
        if let Err(e) = done {
            failed(topic, &e);
        }
    }
    Ok(())
}

/// A handler's panic ends its own event only.
async fn apart(work: impl Future<Output = Result<(), Error>> + Send + 'static) -> Result<(), Error> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|_| Err(Error::internal("the handler panicked")))
}

fn failed(topic: &str, error: &Error) {
    log::error("Handling failed", &[("topic", &topic), ("error", error)]);
}

async fn pause(topic: &str, ended: Result<(), Error>) {
    if let Err(e) = ended {
        log::warn("Listening was interrupted", &[("topic", &topic), ("error", &e)]);
    }
    time::sleep(PAUSE).await;
}
