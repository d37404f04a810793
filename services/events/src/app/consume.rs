//! Consuming: alone, or as a member of a group.

use std::time::Duration;

use futures::{StreamExt, stream};
use micro_clock::Ids;
use micro_domain::NamespaceId;
use micro_error::Error;
use micro_limits::Permit;
use micro_proto::events::{AckRequest, ConsumeRequest, Event};
use micro_rpc::Streaming;
use micro_storage::StoreError;
use micro_tenancy::{Caller, LimitReached};
use tokio::{sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    App, EventsError, POLL,
    group::{Began, Manner, Member},
    place::{BETWEEN, Place, check_name},
    store::{Ahead, Standing, Stored},
};

/// The longest time an event may take before it comes again.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl App {
    /// A topic's events from where the request says; a group's, from where it stands. Ends when the acknowledgements
    /// do, if there are to be any.
    pub(crate) async fn open_consumer(
        &self,
        caller: &Caller,
        request: ConsumeRequest,
        acks: Option<Streaming<AckRequest>>,
    ) -> Result<Streaming<Event>, EventsError> {
        let place = Place::of(caller, request.topic.clone())?;
        check_name(&request.group)?;
        let manner = manner(&request)?;
        let limit = self.parts.limits.subscribers;
        let entered = self.consumers.enter(place.tenant.id(), limit);
        let permit = entered.map_err(|_| LimitReached::new(limit, limit.max))?;
        // Watched before the end of the topic is read: nothing is published unseen in between.
        let head = self.heads.watch(&place);
        if request.group.is_empty() && manner.auto_ack {
            let next = self.begin(&place, request.number, request.offset).await?;
            return Ok(self.follow(place, next, head, permit));
        }
        let acks = match acks {
            Some(acks) if !manner.auto_ack => Some(acks),
            None if !manner.auto_ack => return Err(EventsError::NoAcks),
            _ => None,
        };
        let member = self.join(place, &request, manner, head).await?;
        Ok(share(member, acks, permit))
    }

    async fn join(
        &self,
        place: Place,
        request: &ConsumeRequest,
        manner: Manner,
        head: watch::Receiver<()>,
    ) -> Result<Member, EventsError> {
        let (name, passing) = if request.group.is_empty() {
            let next = self.begin(&place, request.number, request.offset).await?;
            // No group's name contains this.
            (format!("{BETWEEN}{}", Ids.random()), Some(next))
        } else {
            self.ensure_group(&place, request).await?;
            (request.group.clone(), None)
        };
        let began = || Began {
            stored: self.stored.clone(),
            place: place.clone(),
            head,
            passing,
        };
        Ok(self.roster.join(&place, &name, manner, began))
    }

    /// A new group begins where its first member says.
    async fn ensure_group(&self, place: &Place, request: &ConsumeRequest) -> Result<(), EventsError> {
        while self.stored.group(place, &request.group).await?.is_none() {
            // Before they are counted: whoever begins one in between has changed it.
            let begun = self.stored.next_begun(place).await?;
            let groups = self.stored.groups(&Place::named(&place.tenant, "")).await?.len() as u64;
            LimitReached::check(self.parts.limits.groups, groups)?;
            let standing = Standing {
                next: self.begin(place, request.number, request.offset).await?,
                ..Standing::default()
            };
            let _made_unless_somebody_else_began_one = self
                .stored
                .stand(place, &request.group, &standing, None, vec![begun])
                .await?;
        }
        Ok(())
    }

    /// Every event from `next` on, read at the consumer's own pace.
    fn follow(
        &self,
        place: Place,
        next: u64,
        head: watch::Receiver<()>,
        permit: Permit<NamespaceId>,
    ) -> Streaming<Event> {
        let follower = Follower {
            stored: self.stored.clone(),
            place,
            next,
            head,
            ahead: Ahead::default(),
            _permit: permit,
        };
        let events = stream::try_unfold(follower, |mut follower| async move {
            let event = follower
                .next()
                .await
                .map_err(|e| Error::from(e).with_id("events.Stream.Consume"))?;
            Ok(Some((event, follower)))
        });
        events.boxed()
    }
}

fn manner(request: &ConsumeRequest) -> Result<Manner, EventsError> {
    let ack_wait = u64::try_from(request.ack_wait).unwrap_or_default();
    if !request.auto_ack && ack_wait == 0 {
        return Err(EventsError::AckWait);
    }
    Ok(Manner {
        auto_ack: request.auto_ack,
        ack_wait: Duration::from_nanos(ack_wait).min(LONGEST_WAIT),
        retry_limit: u64::try_from(request.retry_limit).ok(),
    })
}

/// A member's events, until it acknowledges no more.
fn share(member: Member, acks: Option<Streaming<AckRequest>>, permit: Permit<NamespaceId>) -> Streaming<Event> {
    // Read also while no event can be sent.
    let acknowledging = AbortOnDropHandle::new(match acks {
        Some(acks) => tokio::spawn(member.acknowledge(acks)),
        None => tokio::spawn(std::future::pending()),
    });
    let sharing = (member, acknowledging, permit);
    let events = stream::try_unfold(sharing, |(member, mut acknowledging, permit)| async move {
        tokio::select! {
            event = member.next() => Ok(Some((event?, (member, acknowledging, permit)))),
            ended = &mut acknowledging => ended.map_err(Error::internal)?.map(|()| None),
        }
    });
    events.boxed()
}

/// One consumer without a group.
struct Follower {
    stored: Stored,
    place: Place,
    next: u64,
    head: watch::Receiver<()>,
    ahead: Ahead,
    _permit: Permit<NamespaceId>,
}

impl Follower {
    async fn next(&mut self) -> Result<Event, StoreError> {
        loop {
            if let Some(event) = self.ahead.take() {
                self.next = event.number + 1;
                return Ok(event);
            }
            self.head.borrow_and_update();
            self.ahead = self.stored.read_ahead(&self.place, self.next).await?;
            if self.ahead.is_empty() {
                tokio::select! {
                    changed = self.head.changed() => drop(changed),
                    () = sleep(POLL), if self.stored.parts.shared => {}
                }
            }
        }
    }
}
