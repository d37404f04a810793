//! A server of events that can be restarted, its callers, and consumers that acknowledge on their own stream.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use micro_clock::TestClock;
use micro_domain::Limits;
use micro_error::Error;
use micro_events::{App, Parts};
use micro_limits::{Limiter, MemoryLimiter};
use micro_proto::events::{
    AckRequest, ConsumeRequest, DeadLetter, DeadLettersRequest, Event, Groups, PublishRequest, PublishResponse,
    ReadRequest, Store, Stream,
};
use micro_rpc::{Call, Codec, Payload, Streaming};
use micro_storage::{log::Log, memory::MemoryLog, records::Records};
use micro_tenancy::Caller;
use micro_testkit::{InterleavedRecords, authority, principal};
use tokio::{sync::mpsc, time::timeout};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct World {
    pub events: App,
    pub clock: TestClock,
    log: Arc<dyn Log>,
    records: Arc<dyn Records>,
    limiter: Arc<dyn Limiter>,
    limits: Limits,
    shared: bool,
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::DEVELOPER)
    }

    pub fn with(limits: Limits) -> Self {
        let (log, records) = (Arc::new(MemoryLog::default()), Arc::new(InterleavedRecords::default()));
        Self::build(log, records, TestClock::default(), limiter(), limits, false)
    }

    pub fn on(log: Arc<dyn Log>, records: Arc<dyn Records>) -> Self {
        Self::build(log, records, TestClock::default(), limiter(), Limits::DEVELOPER, false)
    }

    /// One of several on the same storage.
    pub fn replica() -> Self {
        Self::replica_on(Arc::new(MemoryLog::default()), Arc::new(InterleavedRecords::default()))
    }

    /// One of several on this storage.
    pub fn replica_on(log: Arc<dyn Log>, records: Arc<dyn Records>) -> Self {
        Self::build(log, records, TestClock::default(), limiter(), Limits::DEVELOPER, true)
    }

    /// Another process on the same storage: what is in memory only, it has not.
    pub fn another(&self) -> Self {
        let World {
            clock,
            log,
            records,
            limiter,
            limits,
            shared,
            ..
        } = self.clone();
        Self::build(log, records, clock, limiter, limits, shared)
    }

    fn build(
        log: Arc<dyn Log>,
        records: Arc<dyn Records>,
        clock: TestClock,
        limiter: Arc<dyn Limiter>,
        limits: Limits,
        shared: bool,
    ) -> Self {
        let events = App::new(Parts {
            log: log.clone(),
            records: records.clone(),
            clock: Arc::new(clock.clone()),
            authority: authority(),
            limiter: limiter.clone(),
            limits,
            shared,
        });
        Self {
            events,
            clock,
            log,
            records,
            limiter,
            limits,
            shared,
        }
    }

    pub async fn publish(&self, caller: &Caller, topic: &str, payload: &str) -> Result<PublishResponse, Error> {
        self.events.publish(caller, event(topic, payload)).await
    }

    /// Publishes, in this order.
    pub async fn publish_all(&self, caller: &Caller, topic: &str, payloads: &[&str]) {
        for payload in payloads {
            self.publish(caller, topic, payload).await.expect("published");
        }
    }

    /// Opens Consume as a client does: one request, then acknowledgements on the same stream.
    pub async fn consume(&self, caller: &Caller, request: ConsumeRequest) -> Result<Consumer, Error> {
        let (acks, sent) = mpsc::unbounded_channel::<AckRequest>();
        let first = Codec::Proto.encode(&request);
        let rest = stream::unfold(sent, |mut sent| async move {
            let ack = sent.recv().await?;
            Some((Ok(Codec::Proto.encode(&ack)), sent))
        });
        let call = Call {
            caller: caller.clone(),
            method: "Consume".into(),
            codec: Codec::Proto,
            payload: Payload::Many(stream::once(async { Ok(first) }).chain(rest).boxed()),
        };
        let services = self.events.services();
        let service = services
            .iter()
            .find(|s| s.descriptor().name == "Stream")
            .expect("offered");
        let events = service.call(call).await?.typed(Codec::Proto);
        Ok(Consumer { events, acks })
    }

    /// What the event store holds of a topic.
    pub async fn read(&self, caller: &Caller, topic: &str) -> Vec<Event> {
        let request = ReadRequest {
            topic: topic.into(),
            ..Default::default()
        };
        self.events.read(caller, request).await.expect("own").events
    }

    pub async fn dead_letters(&self, caller: &Caller, topic: &str, group: &str) -> Vec<DeadLetter> {
        let request = DeadLettersRequest {
            topic: topic.into(),
            group: group.into(),
            ..Default::default()
        };
        self.events.dead_letters(caller, request).await.expect("own").letters
    }
}

fn limiter() -> Arc<dyn Limiter> {
    Arc::new(MemoryLimiter::default())
}

pub struct Consumer {
    pub events: Streaming<Event>,
    acks: mpsc::UnboundedSender<AckRequest>,
}

impl Consumer {
    pub async fn next(&mut self) -> Event {
        let event = timeout(SOON, self.events.next()).await.expect("soon");
        event.expect("it goes on").expect("no error")
    }

    /// The next event's payload.
    pub async fn text(&mut self) -> String {
        text(&self.next().await)
    }

    /// The next event's payload, acknowledged.
    pub async fn done(&mut self) -> String {
        let event = self.next().await;
        self.acknowledge(&event.id, true);
        text(&event)
    }

    /// The next event's payload, refused.
    pub async fn refuse(&mut self) -> String {
        let event = self.next().await;
        self.acknowledge(&event.id, false);
        text(&event)
    }

    pub fn acknowledge(&self, id: &str, success: bool) {
        let ack = AckRequest { id: id.into(), success };
        self.acks.send(ack).expect("the stream is open");
    }

    /// Whether nothing comes in a while.
    pub async fn is_quiet(&mut self, while_: Duration) -> bool {
        timeout(while_, self.events.next()).await.is_err()
    }

    /// Sends no more acknowledgements, as a client that is done.
    pub fn half_close(self) -> Streaming<Event> {
        self.events
    }
}

/// The owner of a namespace.
pub fn owner(namespace: &str) -> Caller {
    authority().verified(principal(namespace, "ada"))
}

pub fn event(topic: &str, payload: &str) -> PublishRequest {
    PublishRequest {
        topic: topic.into(),
        payload: payload.into(),
        ..Default::default()
    }
}

/// From the topic's first event on, each done once it is sent.
pub fn from_the_start(topic: &str, group: &str) -> ConsumeRequest {
    ConsumeRequest {
        topic: topic.into(),
        group: group.into(),
        auto_ack: true,
        number: Some(0),
        ..Default::default()
    }
}

/// From the topic's first event on, acknowledged; an event comes again after this many milliseconds.
pub fn acknowledging(topic: &str, group: &str, wait: i64, retry_limit: i64) -> ConsumeRequest {
    ConsumeRequest {
        auto_ack: false,
        ack_wait: wait * 1_000_000,
        retry_limit,
        ..from_the_start(topic, group)
    }
}

pub fn text(event: &Event) -> String {
    String::from_utf8(event.payload.clone()).expect("text")
}

/// Micro's id, code and detail.
pub fn words<T>(result: Result<T, Error>) -> (String, i32, String) {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => {
            let wire = error.to_wire();
            (wire.id, wire.code, wire.detail)
        }
    }
}
