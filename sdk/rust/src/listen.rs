//! Handlers of events and messages: they listen as long as the service runs, and again after a lost connection. What
//! they have begun when it stops they finish.

use std::{future::Future, pin::Pin};

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{Context, Error, backoff::Backoff, log};

/// Says that the service stops.
pub(crate) type Stopping = watch::Receiver<bool>;

/// Listens until the service stops.
pub(crate) type Listener = Box<dyn FnOnce(Context, Stopping) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

pub(crate) fn to_events<T, F, R>(topic: String, handler: F) -> Listener
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    Box::new(move |context, mut stopping| {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                let ended = follow_events(&context, &topic, &handler, &mut stopping).await;
                if again(&topic, ended, &mut backoff, &mut stopping).await.is_none() {
                    return;
                }
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
    Box::new(move |context, mut stopping| {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                let ended = follow_messages(&context, &topic, &handler, &mut stopping).await;
                if again(&topic, ended, &mut backoff, &mut stopping).await.is_none() {
                    return;
                }
            }
        })
    })
}

async fn follow_events<T, F, R>(
    context: &Context,
    topic: &str,
    handler: &F,
    stopping: &mut Stopping,
) -> Result<(), Error>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let events = context.events();
    let Some(events) = unless(stopping, events.consume::<T>(topic, context.service())).await else {
        return Ok(());
    };
    let mut events = events?;
    while let Some(Some(event)) = unless(stopping, events.next()).await {
        match event {
            Ok(event) => {
                let ((payload, receipt), context) = (event.split(), context.again());
                let trace = context.trace().clone();
                match apart(log::within(trace, handler(context, payload))).await {
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

async fn follow_messages<T, F, R>(
    context: &Context,
    topic: &str,
    handler: &F,
    stopping: &mut Stopping,
) -> Result<(), Error>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(Context, T) -> R,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let broker = context.broker();
    let Some(messages) = unless(stopping, broker.subscribe::<T>(topic, context.service())).await else {
        return Ok(());
    };
    let mut messages = messages?;
    while let Some(Some(message)) = unless(stopping, messages.next()).await {
        let done = match message {
            Ok(message) => {
                let context = context.again();
                let trace = context.trace().clone();
                apart(log::within(trace, handler(context, message.body))).await
            }
            Err(e) => Err(e),
        };
        if let Err(e) = done {
            failed(topic, &e);
        }
    }
    Ok(())
}

/// What comes of it; nothing where the service stops before.
async fn unless<T>(stopping: &mut Stopping, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stopping| *stopping) => None,
        done = work => Some(done),
    }
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

/// Waits before the next try; nothing where the service stops.
async fn again(topic: &str, ended: Result<(), Error>, backoff: &mut Backoff, stopping: &mut Stopping) -> Option<()> {
    if let Err(e) = ended {
        log::warn("Listening was interrupted", &[("topic", &topic), ("error", &e)]);
    }
    unless(stopping, backoff.pause()).await
}
