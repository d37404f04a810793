//! Streams: what a handler answers with when there is more than one message, and what a call to one gives.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

pub use futures_core::Stream;
use tokio::sync::mpsc;

use crate::{Error, log, trace::Trace};

/// How many items wait for a slow reader before the writer waits for it.
const AHEAD: usize = 16;

/// Messages as they come. Dropping it ends the call.
pub struct Streaming<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T> Streaming<T> {
    /// Wraps any stream.
    pub fn new(stream: impl Stream<Item = Result<T, Error>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The stream of what `write` sends; an error it ends with is the stream's last item.
    ///
    /// ```
    /// # use micro_sdk::{Error, Streaming};
    /// let numbers: Streaming<u32> = Streaming::of(|sender| async move {
    ///     for number in 1..=3 {
    ///         sender.send(number).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn of<F, W>(write: F) -> Self
    where
        T: Send + 'static,
        F: FnOnce(Sender<T>) -> W,
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (sender, items) = mpsc::channel(AHEAD);
        let writing = Some(Box::pin(write(Sender(sender))) as Writing);
        Self::new(Written {
            writing,
            failed: None,
            items,
        })
    }

    /// The stream of what the sender sends, until it is dropped: for whoever writes and reads in turns.
    ///
    /// ```
    /// # use micro_sdk::{Context, Error, Streaming};
    /// # async fn talk(context: Context) -> Result<(), Error> {
    /// let (questions, asked) = Streaming::<String>::channel();
    /// let mut answers = context.call_bidi_stream::<_, String>("oracle", "Oracle.Ask", asked).await?;
    /// questions.send("why?".into()).await?;
    /// let answer = answers.next().await.transpose()?;
    /// # drop(answer); Ok(()) }
    /// ```
    pub fn channel() -> (Sender<T>, Self)
    where
        T: Send + 'static,
    {
        let (sender, items) = mpsc::channel(AHEAD);
        (Sender(sender), Self::received(items))
    }

    /// The stream of what comes through a channel.
    pub(crate) fn received(mut items: mpsc::Receiver<T>) -> Self
    where
        T: Send + 'static,
    {
        Self::polled(move |cx| items.poll_recv(cx).map(|item| item.map(Ok)))
    }

    /// The stream of what `poll` answers.
    pub(crate) fn polled(
        poll: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<T, Error>>> + Send + Unpin + 'static,
    ) -> Self
    where
        T: 'static,
    {
        Self::new(Polled(poll))
    }

    /// Turns each message into another.
    pub(crate) fn and_then<U>(mut self, turn: impl Fn(T) -> Result<U, Error> + Send + Unpin + 'static) -> Streaming<U>
    where
        T: 'static,
        U: 'static,
    {
        Streaming::polled(move |cx| {
            self.0
                .as_mut()
                .poll_next(cx)
                .map(|item| item.map(|item| item.and_then(&turn)))
        })
    }

    /// The same, with log lines that name the trace.
    pub(crate) fn within(mut self, trace: Trace) -> Self
    where
        T: 'static,
    {
        Streaming::polled(move |cx| log::naming(&trace, || self.0.as_mut().poll_next(cx)))
    }

    /// The next message; none where the stream has ended.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// Where the items of [`Streaming::of`] and [`Streaming::channel`] come from.
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Sends one item; waits while the reader is behind. Fails when nobody reads any more.
    pub async fn send(&self, item: T) -> Result<(), Error> {
        let gone = |_| Error::new(408, "nobody reads this any more");
        self.0.send(item).await.map_err(gone)
    }
}

struct Polled<P>(P);

impl<T, P> Stream for Polled<P>
where
    P: FnMut(&mut Context<'_>) -> Poll<Option<Result<T, Error>>> + Unpin,
{
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        (self.0)(cx)
    }
}

type Writing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// The writer is driven by the reader: no task, and dropped with the stream.
struct Written<T> {
    writing: Option<Writing>,
    failed: Option<Error>,
    items: mpsc::Receiver<T>,
}

// Nothing in it is pinned in place.
impl<T> Unpin for Written<T> {}

impl<T> Stream for Written<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(writing) = &mut self.writing {
            if let Poll::Ready(done) = writing.as_mut().poll(cx) {
                self.failed = done.err();
                self.writing = None;
            }
        }
        match self.items.poll_recv(cx) {
            Poll::Ready(Some(item)) => Poll::Ready(Some(Ok(item))),
            // The sender may have been given away, to live on without the writer.
            Poll::Ready(None) if self.writing.is_some() => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(self.failed.take().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_comes_out_in_order_and_the_error_last() {
        let mut stream: Streaming<u32> = Streaming::of(|sender| async move {
            for n in 0..100 {
                sender.send(n).await?;
            }
            Err(Error::not_found("no more"))
        });
        for n in 0..100 {
            assert_eq!(stream.next().await, Some(Ok(n)));
        }
        assert_eq!(stream.next().await, Some(Err(Error::not_found("no more"))));
        assert_eq!(stream.next().await, None);
    }
}
