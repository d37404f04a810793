//! Sending a group back, or ahead.

use micro_proto::events::SeekRequest;
use micro_tenancy::Caller;

use crate::{App, EventsError, place::Place, store::Standing};

impl App {
    /// The group goes on with another event. What a member holds at this moment may come again.
    pub(crate) async fn seek_group(&self, caller: &Caller, request: SeekRequest) -> Result<(), EventsError> {
        let place = Place::of(caller, request.topic)?;
        let next = self.begin(&place, request.number, request.offset).await?;
        loop {
            let stood = self.stored.group(&place, &request.group).await?;
            let stood = stood.ok_or(EventsError::NoGroup)?;
            let standing = Standing {
                next,
                attempts: 0,
                ..stood.standing
            };
            let was = Some(stood.version);
            if self
                .stored
                .stand(&place, &request.group, &standing, was, Vec::new())
                .await?
                .is_some()
            {
                self.roster.reread(&place, &request.group);
                return Ok(());
            }
        }
    }
}
