//! The node's answer on its way back: its bytes, then its trailers, or ours where it was lost or late.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame};
use micro_error::{Error, Kind};
use micro_rpc::{Deadline, Status};

use super::{Lease, Pump};

/// The body of a forwarded answer. Dropping it tells the node that nobody listens any more.
pub struct Answer<B> {
    receive: RecvStream,
    pump: Pump<B>,
    late: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    state: State,
    _lease: Lease,
}

#[derive(PartialEq)]
enum State {
    Data,
    Trailers,
    Done,
}

impl<B> Answer<B> {
    pub fn new(receive: RecvStream, pump: Pump<B>, deadline: Deadline, lease: Lease) -> Self {
        let late: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = match deadline.remaining() {
            Some(_) => Some(Box::pin(deadline.passed())),
            None => None,
        };
        // An answer that is all in its head has nothing to follow.
        let state = if receive.is_end_stream() {
            State::Done
        } else {
            State::Data
        };
        Self {
            receive,
            pump,
            late,
            state,
            _lease: lease,
        }
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.state = State::Done;
        let mut trailers = HeaderMap::new();
        status.write(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.state == State::Done {
            return Poll::Ready(None);
        }
        if let Poll::Ready(Err(refused)) = self.pump.poll(cx) {
            return self.end(&refused);
        }
        if self.state == State::Data {
            match self.receive.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    // Refused only where the stream is over, and then there is nothing to release.
                    let _over = self.receive.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(_))) => return self.end(&lost()),
                Poll::Ready(None) => self.state = State::Trailers,
                Poll::Pending => {}
            }
        }
        if self.state == State::Trailers {
            match self.receive.poll_trailers(cx) {
                Poll::Ready(Ok(Some(trailers))) => {
                    self.state = State::Done;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Poll::Ready(Ok(None)) => {
                    self.state = State::Done;
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(_)) => return self.end(&lost()),
                Poll::Pending => {}
            }
        }
        if self.late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready()) {
            let late = Error::new(Kind::Timeout, "go.micro.client", "context deadline exceeded");
            return self.end(&late.into());
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Done
    }
}

fn lost() -> Status {
    Error::new(
        Kind::Unavailable,
        "go.micro.client",
        "the connection to the service was lost",
    )
    .into()
}
