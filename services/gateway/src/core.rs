//! Calls of core services: on the runtime that holds their database connections, never on an edge core.

use std::sync::Arc;

use futures::StreamExt;
use micro_error::Error;
use micro_rpc::{Call, Deadline, Frames, Payload, Service, Status, server};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use crate::held::Held;

/// Messages that wait between the two runtimes.
const RELAYED: usize = 8;

/// Makes one call of a core service.
pub async fn call(
    runtime: Option<&Handle>,
    service: Arc<dyn Service>,
    call: Call,
    deadline: Deadline,
    held: &Held,
) -> Result<Payload, Status> {
    let Some(runtime) = runtime else {
        return server::run(&*service, call, deadline).await;
    };
    let streams = service
        .descriptor()
        .method(&call.method)
        .is_some_and(|m| m.kind.streams_replies());
    let (relay, held) = (runtime.clone(), held.clone());
    let task = runtime.spawn(async move {
        // Finished without its caller, it still takes its room.
        let _until_done = held;
        match server::run(&*service, call, deadline).await? {
            Payload::Many(frames) => Ok(Payload::Many(relayed(&relay, frames))),
            one @ Payload::One(_) => Ok(one),
        }
    });
    // A caller that left need not wait for a stream. A unary call that has begun is finished without it: half
    // of it is worse than all of it.
    let done = if streams {
        AbortOnDrop(task).finished().await
    } else {
        task.await
    };
    done.unwrap_or_else(|e| Err(Error::internal(e).into()))
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn finished(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The same messages, made on `runtime` as fast as they are read here.
fn relayed(runtime: &Handle, mut frames: Frames) -> Frames {
    let (send, receive) = mpsc::channel(RELAYED);
    runtime.spawn(async move {
        loop {
            let next = tokio::select! {
                () = send.closed() => return,
                next = frames.next() => next,
            };
            let Some(next) = next else { return };
            if send.send(next).await.is_err() {
                return;
            }
        }
    });
    Box::pin(futures::stream::unfold(receive, |mut receive| async move {
        Some((receive.recv().await?, receive))
    }))
}
