//! The request's way to the node. Polled from the response, first by its head and then by its body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use micro_rpc::Status;

use super::Meter;
use crate::bounds::REPLAY_BYTES;

/// Moves a request body into a stream.
pub struct Pump<B> {
    body: B,
    stream: Option<SendStream<Bytes>>,
    meter: Option<Meter>,
    /// Read, and waiting for room.
    held: Option<Bytes>,
    /// The whole body, as far as it can be sent again.
    replay: Replay,
    /// The body has been read to its end.
    read: bool,
    /// Everything was sent, or the node wants no more.
    done: bool,
}

enum Replay {
    /// Nothing was read yet.
    Unread,
    /// All of it is here.
    Whole(Bytes),
    /// It is gone.
    Gone,
}

impl<B> Pump<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// For the messages of gRPC, whose lengths are watched.
    pub fn of(body: B) -> Self {
        Self {
            meter: Some(Meter::default()),
            ..Self::unmetered(body)
        }
    }

    /// For bytes of whatever kind.
    pub fn unmetered(body: B) -> Self {
        let read = body.is_end_stream();
        Self {
            body,
            stream: None,
            meter: None,
            held: None,
            replay: Replay::Unread,
            read,
            done: false,
        }
    }

    /// Whether the request has no body at all.
    pub fn is_empty(&self) -> bool {
        self.read && self.held.is_none()
    }

    /// The body, where nothing of it was read.
    pub fn into_body(self) -> B {
        self.body
    }

    /// Where to send to.
    pub fn attach(&mut self, stream: SendStream<Bytes>) {
        self.done = self.is_empty();
        self.stream = Some(stream);
    }

    /// Makes ready to send everything again, if that can be done.
    pub fn rewind(&mut self) -> bool {
        match &self.replay {
            Replay::Unread => true,
            Replay::Whole(bytes) => {
                self.held = Some(bytes.clone());
                true
            }
            Replay::Gone => false,
        }
    }

    /// Moves what can be moved. Ready once there is nothing left to do; an error refuses the request.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while !self.done {
            if let Some(chunk) = self.held.take() {
                ready!(self.send(chunk, cx));
                continue;
            }
            if self.read {
                self.finish(Bytes::new());
                break;
            }
            if self
                .stream
                .as_mut()
                .is_some_and(|s| matches!(s.poll_reset(cx), Poll::Ready(_)))
            {
                self.done = true;
                break;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.read = true,
                // The caller is gone; the node learns it.
                Some(Err(_)) => self.cancel(),
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        if let Some(meter) = &mut self.meter {
                            meter.pass(&chunk).inspect_err(|_| self.cancel())?;
                        }
                        self.read = self.body.is_end_stream();
                        self.remember(&chunk);
                        self.held = Some(chunk);
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn remember(&mut self, chunk: &Bytes) {
        let whole = self.read && matches!(self.replay, Replay::Unread) && chunk.len() <= REPLAY_BYTES;
        self.replay = if whole {
            Replay::Whole(chunk.clone())
        } else {
            Replay::Gone
        };
    }

    /// Sends what there is room for, and holds the rest.
    fn send(&mut self, mut chunk: Bytes, cx: &mut Context<'_>) -> Poll<()> {
        // The last piece, if small, goes at once: h2 keeps it until there is room.
        if self.read && chunk.len() <= REPLAY_BYTES {
            self.finish(chunk);
            return Poll::Ready(());
        }
        let Some(stream) = self.stream.as_mut() else {
            return Poll::Ready(());
        };
        stream.reserve_capacity(chunk.len());
        if stream.capacity() == 0 {
            match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => {
                    self.done = true;
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    self.held = Some(chunk);
                    return Poll::Pending;
                }
            }
        }
        let now = chunk.split_to(stream.capacity().min(chunk.len()));
        let last = self.read && chunk.is_empty();
        if !now.is_empty() || last {
            // A stream that takes no more has been answered or reset: the response says which.
            self.done = stream.send_data(now, last).is_err() || last;
        }
        self.held = (!chunk.is_empty()).then_some(chunk);
        Poll::Ready(())
    }

    fn finish(&mut self, last: Bytes) {
        if let Some(stream) = self.stream.as_mut() {
            let _answered_already = stream.send_data(last, true);
        }
        self.done = true;
    }

    fn cancel(&mut self) {
        if let Some(stream) = self.stream.as_mut() {
            stream.send_reset(Reason::CANCEL);
        }
        self.done = true;
    }
}
