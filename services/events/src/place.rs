//! A topic of one namespace.

use std::sync::Arc;

use micro_domain::NamespaceId;
use micro_tenancy::{Caller, Tenant};

use crate::EventsError;

/// The longest name of a topic, group or producer.
const LONGEST_NAME: usize = 256;

/// Separates names in keys: no name contains it.
pub const BETWEEN: char = '\u{1}';

/// A topic, and leave to act in its namespace.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whose.
    pub tenant: Tenant,
    /// Its name there.
    pub topic: Arc<str>,
}

/// A topic among those of all namespaces.
pub type TopicKey = (NamespaceId, Arc<str>);

impl Place {
    /// A topic of the caller's own namespace, whatever its name. As upstream, for those who may also change things.
    pub fn of(caller: &Caller, topic: String) -> Result<Self, EventsError> {
        let tenant = caller.enter_as_admin("")?;
        if topic.is_empty() {
            return Err(EventsError::NoTopic);
        }
        check_name(&topic)?;
        Ok(Self::named(&tenant, topic))
    }

    /// A topic that was found, or all of a namespace: those have no name.
    pub fn named(tenant: &Tenant, topic: impl Into<Arc<str>>) -> Self {
        Self {
            tenant: tenant.clone(),
            topic: topic.into(),
        }
    }

    /// Its key in this process.
    pub fn key(&self) -> TopicKey {
        (self.tenant.id(), self.topic.clone())
    }

    /// Its name in the log, apart from the topics of other services.
    pub fn in_log(&self) -> String {
        format!("events/{}", self.topic)
    }

    /// A key below this topic.
    pub fn below(&self, name: &str) -> String {
        format!("{}{BETWEEN}{name}", self.topic)
    }
}

/// Refuses what would not fit into a key, or fall apart in one.
pub fn check_name(name: &str) -> Result<(), EventsError> {
    match name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        true => Err(EventsError::Name(LONGEST_NAME)),
        false => Ok(()),
    }
}
