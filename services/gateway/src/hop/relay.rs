//! Another replica's answer on its way back. gRPC's as it is; one to an HTTP client, which knows no trailers, ends in
//! a line that says so where the replica is lost.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use micro_error::{Error, Kind};
use micro_rpc::Status;
use tokio::sync::OwnedSemaphorePermit;

use crate::forward::Answer;

/// Comes once the replica leads no more.
pub type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of an answer that was passed back.
pub struct Relay<B> {
    answer: Answer<B>,
    left: Left,
    over: bool,
    /// For an HTTP client.
    raw: bool,
    /// Its end shows by its length.
    measured: bool,
    _room: Option<OwnedSemaphorePermit>,
}

impl<B> Relay<B> {
    pub fn new(answer: Answer<B>, left: Left, raw: bool, headers: &HeaderMap) -> Self {
        Self {
            answer,
            left,
            over: false,
            raw,
            measured: headers.contains_key(header::CONTENT_LENGTH),
            _room: None,
        }
    }

    /// The same, taking this room until it is over.
    pub fn holding(self, room: OwnedSemaphorePermit) -> Self {
        Self {
            _room: Some(room),
            ..self
        }
    }
}

impl<B> Body for Relay<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.answer).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(_) => return Poll::Ready(None),
            Poll::Pending => {
                ready!(self.left.as_mut().poll(cx));
                lost()
            }
        };
        self.over = frame.is_trailers();
        let frame = match frame.trailers_ref().filter(|_| self.raw).map(Status::read) {
            Some(Some(status)) if !self.measured => {
                let mut line = Error::from(status).to_json();
                line.push('\n');
                Some(Ok(Frame::data(line.into())))
            }
            Some(_) => None,
            None => Some(Ok(frame)),
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.answer.is_end_stream()
    }
}

fn lost() -> Frame<Bytes> {
    let text = "the server that runs services has changed: please try again";
    let mut trailers = HeaderMap::new();
    Status::from(Error::new(Kind::Unavailable, "go.micro.client", text)).write(&mut trailers);
    Frame::trailers(trailers)
}
