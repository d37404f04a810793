//! Forgetting a group.

use micro_proto::events::DeleteGroupRequest;
use micro_tenancy::Caller;

use crate::{App, EventsError, place::Place};

impl App {
    /// Forgets a group that nobody is a member of here, and its dead letters.
    pub(crate) async fn delete_group(&self, caller: &Caller, request: DeleteGroupRequest) -> Result<(), EventsError> {
        let place = Place::of(caller, request.topic)?;
        if self.stored.group(&place, &request.group).await?.is_none() {
            return Err(EventsError::NoGroup);
        }
        if self.roster.is_live(&place, &request.group) {
            return Err(EventsError::HasMembers);
        }
        self.stored.remove_group(&place, &request.group).await?;
        Ok(self.stored.remove_letters(&place, &request.group).await?)
    }
}
