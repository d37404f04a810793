//! Which topics there are, and forgetting one.

use std::collections::HashMap;

use micro_proto::events::{DeleteTopicRequest, ListTopicsRequest, ListTopicsResponse, Topic};
use micro_tenancy::Caller;

use crate::{App, EventsError, place::Place};

impl App {
    /// The topics whose names begin so, in order.
    pub(crate) async fn list_topics(
        &self,
        caller: &Caller,
        request: ListTopicsRequest,
    ) -> Result<ListTopicsResponse, EventsError> {
        let tenant = caller.enter_as_admin("")?;
        let mut groups: HashMap<String, u64> = HashMap::new();
        for (topic, _, _) in self.stored.groups(&Place::named(&tenant, "")).await? {
            *groups.entry(topic).or_default() += 1;
        }
        let mut topics = Vec::new();
        for name in self.stored.topics_of(&tenant, &request.prefix).await? {
            let place = Place::named(&tenant, name.as_str());
            let extent = self.parts.log.extent(&tenant, &place.in_log()).await?;
            topics.push(Topic {
                oldest: extent.start,
                next: extent.next,
                groups: groups.get(&name).copied().unwrap_or_default(),
                name,
            });
        }
        Ok(ListTopicsResponse { topics })
    }

    /// Forgets a topic that nobody consumes here. Its numbers are never used again.
    pub(crate) async fn delete_topic(&self, caller: &Caller, request: DeleteTopicRequest) -> Result<(), EventsError> {
        let place = Place::of(caller, request.topic)?;
        if !self.stored.has_topic(&place).await? {
            return Err(EventsError::NoSuchTopic);
        }
        if self.heads.is_watched(&place.key()) {
            return Err(EventsError::Consumed);
        }
        for (_, group, _) in self.stored.groups(&place).await? {
            self.stored.remove_group(&place, &group).await?;
            self.stored.remove_letters(&place, &group).await?;
        }
        let next = self.stored.next_number(&place).await?;
        self.parts.log.trim(&place.tenant, &place.in_log(), next).await?;
        Ok(self.stored.remove_topic(&place).await?)
    }
}
