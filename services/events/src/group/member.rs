//! One consumer's side of a group.

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_proto::events::{AckRequest, Event};
use micro_rpc::Streaming;
use tokio::sync::{mpsc, oneshot};

use super::{Ack, Ask, Manner, Said, Seat};

/// A member, until it is dropped.
pub struct Member {
    id: u64,
    manner: Manner,
    said: mpsc::UnboundedSender<Said>,
    acks: mpsc::Sender<Ack>,
    /// After `said` has told that it left: counted out first, told second.
    seat: Option<Seat>,
}

impl Member {
    pub(super) fn new(
        id: u64,
        manner: Manner,
        said: mpsc::UnboundedSender<Said>,
        acks: mpsc::Sender<Ack>,
        seat: Seat,
    ) -> Self {
        Self {
            id,
            manner,
            said,
            acks,
            seat: Some(seat),
        }
    }

    /// The next event.
    pub async fn next(&self) -> Result<Event, Error> {
        loop {
            let (reply, delivered) = oneshot::channel();
            let ask = Ask {
                member: self.id,
                manner: self.manner,
                reply,
            };
            let _its_end_is_seen_below = self.said.send(Said::Ask(ask));
            let Ok(delivery) = delivered.await else {
                return Err(Error::new(
                    Kind::Unavailable,
                    "events.Stream.Consume",
                    "the group has stopped: consume again",
                ));
            };
            if let Some(event) = delivery.take() {
                return Ok(event);
            }
        }
    }

    /// Passes the client's acknowledgements on, until it sends no more.
    pub fn acknowledge(
        &self,
        mut from: Streaming<AckRequest>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (member, acks) = (self.id, self.acks.clone());
        async move {
            while let Some(request) = from.next().await {
                let AckRequest { id, success } = request?;
                let ack = Ack { member, id, success };
                if acks.send(ack).await.is_err() {
                    break;
                }
            }
            Ok(())
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.seat = None;
        let _its_task_may_be_ending = self.said.send(Said::Left(self.id));
    }
}
