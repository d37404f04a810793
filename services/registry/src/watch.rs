//! Telling those who watch what changes in their namespace.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use micro_domain::NamespaceId;
use micro_error::{Error, Kind};
use micro_proto::registry::{Result as Event, Service};
use micro_rpc::Streaming;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// As many changes as a watcher may be behind.
const BEHIND: usize = 256;

/// What happened to a version of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has its first node.
    Create,
    /// Nodes came or went, or it offers something else.
    Update,
    /// It lost its last node.
    Delete,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A channel for each namespace that somebody watches.
#[derive(Default)]
pub struct Watchers(Mutex<HashMap<NamespaceId, Sender<Event>>>);

impl Watchers {
    /// Changes of a service, or of all where it has no name, from now on.
    pub fn watch(&self, namespace: NamespaceId, service: String) -> Streaming<Event> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|_, channel| channel.receiver_count() > 0);
        let receiver = channels
            .entry(namespace)
            .or_insert_with(|| broadcast::channel(BEHIND).0)
            .subscribe();
        let of_it = move |event: &Result<Event, Error>| {
            let name = event
                .as_ref()
                .ok()
                .and_then(|e| e.service.as_ref())
                .map(|s| s.name.as_str());
            let wanted = service.is_empty() || name.is_none_or(|name| name == service);
            std::future::ready(wanted)
        };
        stream::unfold(Some(receiver), next).filter(of_it).boxed()
    }

    /// Tells a namespace's watchers.
    pub fn tell(&self, namespace: NamespaceId, change: Change, service: Service) {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&namespace) {
            let event = Event {
                action: change.as_str().into(),
                service: Some(service),
                timestamp: 0,
            };
            let _nobody_may_listen = channel.send(event);
        }
    }
}

async fn next(receiver: Option<Receiver<Event>>) -> Option<(Result<Event, Error>, Option<Receiver<Event>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Ok(event) => Some((Ok(event), Some(receiver))),
        Err(RecvError::Closed) => None,
        Err(RecvError::Lagged(_)) => {
            let error = Error::new(
                Kind::Unavailable,
                "registry.Registry.Watch",
                "the watcher fell behind: watch again",
            );
            Some((Err(error), None))
        }
    }
}
