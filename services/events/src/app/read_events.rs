//! Reading the event store: what a topic holds.

use micro_proto::events::{ReadRequest, ReadResponse};
use micro_tenancy::Caller;
use prost::Message;

use crate::{App, EventsError, PAGE, place::Place};

/// As upstream.
const DEFAULT: u64 = 250;
/// A page's bytes: older clients take messages of at most 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

impl App {
    /// A page of a topic's events, oldest first; `offset` counts from the oldest kept. It may be shorter than asked
    /// for where events are large.
    pub(crate) async fn read_events(&self, caller: &Caller, request: ReadRequest) -> Result<ReadResponse, EventsError> {
        let place = Place::of(caller, request.topic)?;
        let limit = match request.limit {
            0 => DEFAULT,
            asked => asked.min(PAGE),
        };
        let oldest = self.parts.log.extent(&place.tenant, &place.in_log()).await?.start;
        let mut number = oldest.saturating_add(request.offset);
        let (mut events, mut bytes) = (Vec::new(), 0);
        loop {
            let piece = self.stored.events(&place, number).await?;
            let Some(last) = piece.last() else {
                return Ok(ReadResponse { events });
            };
            number = last.number + 1;
            for event in piece {
                bytes += event.encoded_len();
                if events.len() as u64 == limit || (bytes > PAGE_BYTES && !events.is_empty()) {
                    return Ok(ReadResponse { events });
                }
                events.push(event);
            }
        }
    }
}
