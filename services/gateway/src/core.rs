//! Calls of core services: on the runtime that holds their database connections; on an edge core only those that are
//! over sooner than they could be handed over.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_error::Error;
use micro_rpc::{Call, Deadline, Frames, MethodKind, Payload, Service, Status, server};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::{JoinError, JoinHandle},
};

use crate::{edge::Edge, held::Held};

/// Messages that wait between the two runtimes,
const RELAYED: usize = 8;
/// and their bytes: a caller that opens streams and does not read them fills no more. A longer message waits alone.
const RELAYED_BYTES: usize = 512 << 10;

/// Makes one call of a core service, and counts it for its caller's namespace.
pub async fn call(
    edge: &Edge,
    service: Arc<dyn Service>,
    call: Call,
    deadline: Deadline,
    held: &Held,
) -> Result<Payload, Status> {
    let namespace = call.caller.principal().map(|p| p.namespace.id);
    let counted = namespace.and_then(|id| edge.figures.count(id, service.descriptor().package));
    let outcome = made(edge.core_runtime.as_ref(), service, call, deadline, held).await;
    if let (Some(counted), Err(_)) = (counted, &outcome) {
        counted.failed();
    }
    outcome
}

async fn made(
    runtime: Option<&Handle>,
    service: Arc<dyn Service>,
    call: Call,
    deadline: Deadline,
    held: &Held,
) -> Result<Payload, Status> {
    let Some(runtime) = runtime else {
        return server::run(&*service, call, deadline).await;
    };
    let kind = service.descriptor().method(&call.method).map(|m| m.kind);
    let streams = kind.is_some_and(MethodKind::streams_replies);
    let call = match kind {
        Some(MethodKind::Unary) => gathered(call, deadline).await?,
        _ => call,
    };
    if service.is_short(&call) {
        return server::run(&*service, call, deadline).await;
    }
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

/// The call with its message at hand: all of it is here before anybody works for it.
async fn gathered(mut call: Call, deadline: Deadline) -> Result<Call, Status> {
    if let Payload::Many(frames) = &mut call.payload {
        let first = deadline.bound(async { frames.next().await.transpose() }).await?;
        call.payload = match first {
            Some(message) => Payload::One(message),
            None => Payload::Many(Box::pin(stream::empty())),
        };
    }
    Ok(call)
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
    let room = Arc::new(Semaphore::new(RELAYED_BYTES));
    let relaying = async move {
        while let Some(next) = frames.next().await {
            let bytes = next.as_ref().map_or(0, Bytes::len).min(RELAYED_BYTES);
            let bytes = u32::try_from(bytes).expect("of that many bytes");
            let Ok(taken) = room.clone().acquire_many_owned(bytes).await else {
                return;
            };
            if send.send((next, taken)).await.is_err() {
                return;
            }
        }
    };
    let task = AbortOnDrop(runtime.spawn(relaying));
    Box::pin(stream::unfold((receive, task), |(mut receive, task)| async move {
        let (next, _given_back) = receive.recv().await?;
        Some((next, (receive, task)))
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use micro_rpc::{Codec, ServiceDescriptor};
    use micro_tenancy::Caller;

    use super::*;

    /// Says on which thread it was called.
    struct Where {
        short: bool,
    }

    #[async_trait]
    impl Service for Where {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &micro_proto::store::descriptor::STORE
        }

        async fn call(&self, _: Call) -> Result<Payload, Status> {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            Ok(Payload::One(thread.into()))
        }

        fn is_short(&self, call: &Call) -> bool {
            self.short && matches!(&call.payload, Payload::One(message) if message == "asked")
        }
    }

    async fn called_on(core: &Handle, short: bool, asked: Option<&'static str>) -> Bytes {
        let frames = stream::iter(asked.map(|message| Ok(Bytes::from(message))));
        let call = Call {
            caller: Caller::anonymous(),
            method: "Read".into(),
            codec: Codec::Proto,
            payload: Payload::Many(Box::pin(frames)),
        };
        let service = Arc::new(Where { short });
        let held = Held::new(());
        match made(Some(core), service, call, Deadline::default(), &held).await {
            Ok(Payload::One(thread)) => thread,
            _ => panic!("it answers with one message"),
        }
    }

    #[tokio::test]
    async fn what_is_short_stays_where_it_arrived() {
        let core = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("core")
            .build()
            .expect("a runtime");
        let here = std::thread::current().name().unwrap_or_default().to_owned();
        assert_eq!(called_on(core.handle(), true, Some("asked")).await, here);
        for (short, asked) in [(false, Some("asked")), (true, Some("else")), (true, None)] {
            assert_eq!(called_on(core.handle(), short, asked).await, "core", "{asked:?}");
        }
        core.shutdown_background();
    }

    /// Frames of one length, and how many were made.
    fn frames(bytes: usize) -> (Frames, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let frames = futures::stream::repeat_with(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Bytes::from(vec![0; bytes]))
        });
        (Box::pin(frames), made)
    }

    async fn settled(made: &AtomicUsize) -> usize {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        made.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn what_nobody_reads_is_bounded_in_bytes() {
        for (bytes, most) in [(1, RELAYED + 2), (RELAYED_BYTES / 4, 6), (RELAYED_BYTES * 2, 3)] {
            let (frames, made) = frames(bytes);
            let mut relayed = relayed(&Handle::current(), frames);
            let first = relayed.next().await.expect("one").expect("no error");
            assert_eq!(first.len(), bytes);
            let ahead = settled(&made).await;
            assert!((2..=most).contains(&ahead), "{ahead} of {bytes} bytes");
            assert!(relayed.next().await.is_some(), "reading makes room");
            assert!(settled(&made).await > ahead);
            drop(relayed);
            let left = settled(&made).await;
            assert_eq!(settled(&made).await, left, "nobody reads: nothing is made");
        }
    }
}
