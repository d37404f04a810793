//! The operations.

mod consume;
mod delete_group;
mod letters;
mod list_groups;
mod publish;
mod publish_once;
mod read_events;
mod seek_group;
mod topics;
mod usage;

use micro_storage::StoreError;
use time::OffsetDateTime;

use crate::{App, EventsError, place::Place};

impl App {
    /// Removes what is older than events are kept, of all namespaces.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.heads.tidy();
        self.stored.sweep().await
    }

    /// The number that a request begins with: given, or the first at or after a time; `None`: what comes next.
    async fn begin(&self, place: &Place, number: Option<u64>, offset: i64) -> Result<u64, EventsError> {
        if let Some(number) = number {
            return Ok(number);
        }
        if offset <= 0 {
            return Ok(self.stored.next_number(place).await?);
        }
        let at = OffsetDateTime::from_unix_timestamp(offset).map_err(|_| EventsError::Time(offset))?;
        Ok(self.parts.log.offset_at(&place.tenant, &place.in_log(), at).await?)
    }
}
