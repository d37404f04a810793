//! `events.Stream` on the wire. The request side of Consume carries two types of message: one ConsumeRequest, then
//! AckRequests (reference/micro-wire §1.7), which no proto declaration can say.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_proto::events::{AckRequest, StreamServer};
use micro_rpc::{Call, Payload, Service, ServiceDescriptor, Status};

use crate::App;

/// The generated server, but for Consume.
pub struct StreamDoor {
    app: Arc<App>,
    generated: StreamServer<App>,
}

impl StreamDoor {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            generated: StreamServer::new(app.clone()),
            app,
        }
    }

    async fn consume(&self, call: Call) -> Result<Payload, Status> {
        let (codec, mut frames) = (call.codec, call.payload.frames());
        let first = frames.next().await;
        let first =
            first.ok_or_else(|| Error::new(Kind::Invalid, "go.micro.server", "the request holds no message"))?;
        let request = codec.decode(first?)?;
        let acks = frames.map(move |frame| {
            frame
                .and_then(|bytes| codec.decode::<AckRequest>(bytes))
                .map_err(Error::from)
        });
        let consumed = self.app.open_consumer(&call.caller, request, Some(acks.boxed())).await;
        let events = consumed.map_err(|e| e.at("events.Stream.Consume"))?;
        Ok(Payload::many(codec, events))
    }
}

#[async_trait]
impl Service for StreamDoor {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.generated.descriptor()
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        match call.method.as_str() {
            "Consume" => self.consume(call).await,
            _ => self.generated.call(call).await,
        }
    }
}
