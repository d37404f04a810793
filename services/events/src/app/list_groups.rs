//! The groups of a topic.

use std::collections::{HashMap, hash_map::Entry};

use micro_proto::events::{Group, ListGroupsRequest, ListGroupsResponse};
use micro_tenancy::Caller;

use crate::{App, EventsError, place::Place};

impl App {
    /// The groups of a topic, or of all where it has no name, and how far behind they are.
    pub(crate) async fn list_groups(
        &self,
        caller: &Caller,
        request: ListGroupsRequest,
    ) -> Result<ListGroupsResponse, EventsError> {
        let tenant = caller.enter_as_admin("")?;
        let asked = Place::named(&tenant, request.topic);
        let (mut groups, mut extents) = (Vec::new(), HashMap::new());
        for (topic, name, standing) in self.stored.groups(&asked).await? {
            let place = Place::named(&tenant, topic.as_str());
            let extent = match extents.entry(topic.clone()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(self.parts.log.extent(&tenant, &place.in_log()).await?),
            };
            groups.push(Group {
                name,
                topic,
                number: standing.next,
                attempts: standing.attempts,
                behind: extent.next.saturating_sub(standing.next.max(extent.start)),
            });
        }
        Ok(ListGroupsResponse { groups })
    }
}
