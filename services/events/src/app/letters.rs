//! Dead letters: listing them, and giving them to their group again.

use micro_proto::events::{DeadLettersRequest, DeadLettersResponse, ReplayRequest};
use micro_tenancy::Caller;
use prost::Message;

use crate::{App, EventsError, place::Place};

const DEFAULT: u64 = 100;
const MOST: u64 = 1_000;
/// A page's bytes: older clients take messages of at most 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

impl App {
    /// A page of a group's dead letters, oldest first. It may be shorter than asked for where they are large.
    pub(crate) async fn list_letters(
        &self,
        caller: &Caller,
        request: DeadLettersRequest,
    ) -> Result<DeadLettersResponse, EventsError> {
        let place = Place::of(caller, request.topic)?;
        let limit = match request.limit {
            0 => DEFAULT,
            asked => asked.min(MOST),
        };
        let (mut letters, mut bytes, mut after) = (Vec::new(), 0, request.after);
        loop {
            let piece = self.stored.letters(&place, &request.group, after).await?;
            let Some(last) = piece.last() else {
                return Ok(DeadLettersResponse { letters });
            };
            after = Some(last.letter.number);
            for kept in piece {
                bytes += kept.letter.encoded_len();
                if letters.len() as u64 == limit || (bytes > PAGE_BYTES && !letters.is_empty()) {
                    return Ok(DeadLettersResponse { letters });
                }
                letters.push(kept.letter);
            }
        }
    }

    /// Gives dead letters to the group again, before what is next for it; how many there were.
    pub(crate) async fn replay_letters(&self, caller: &Caller, request: ReplayRequest) -> Result<u64, EventsError> {
        let place = Place::of(caller, request.topic)?;
        let group = request.group.as_str();
        let replayed = if request.numbers.is_empty() {
            self.replay_all(&place, group).await?
        } else {
            self.replay_these(&place, group, &request.numbers).await?
        };
        self.roster.look_again(&place, group);
        Ok(replayed)
    }

    async fn replay_these(&self, place: &Place, group: &str, numbers: &[u64]) -> Result<u64, EventsError> {
        let mut replayed = 0;
        for number in numbers {
            if let Some(kept) = self.stored.letter(place, group, *number).await? {
                replayed += u64::from(self.stored.replay(place, group, &kept).await?);
            }
        }
        Ok(replayed)
    }

    /// Those that there are now: what is refused again meanwhile stays.
    async fn replay_all(&self, place: &Place, group: &str) -> Result<u64, EventsError> {
        let stood = self.stored.group(place, group).await?.ok_or(EventsError::NoGroup)?;
        let (mut replayed, mut after) = (0, None);
        loop {
            let mut piece = self.stored.letters(place, group, after).await?;
            piece.retain(|kept| kept.letter.number < stood.standing.letters);
            let Some(last) = piece.last() else { return Ok(replayed) };
            after = Some(last.letter.number);
            for kept in &piece {
                replayed += u64::from(self.stored.replay(place, group, kept).await?);
            }
        }
    }
}
