//! Load: closed, where each client waits for its answer; and open, where requests come at their own times.

use std::{
    future::Future,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{Sample, percentile};

/// What was done under load.
#[derive(Debug, Default)]
pub struct Load {
    /// Operations, all of them answered rightly.
    pub operations: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Microseconds of each operation.
    latencies: Vec<u32>,
}

impl Load {
    /// As a sample, without CPU.
    pub fn sample(mut self) -> Sample {
        Sample {
            per_second: Some(self.operations as f64 / self.elapsed.as_secs_f64()),
            p50_micros: percentile(&mut self.latencies, 0.5),
            p99_micros: percentile(&mut self.latencies, 0.99),
            ..Sample::default()
        }
    }

    fn note(&mut self, took: Duration) {
        self.operations += 1;
        self.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.latencies.extend(other.latencies);
    }
}

/// So many clients, each asking again as soon as it was answered, until the time is over. `work` gets the client's
/// number and how many operations it did before. The first failure fails all. Clients are tasks of the runtime.
pub async fn closed_loop<W, R>(clients: usize, length: Duration, work: W) -> Result<Load>
where
    W: Fn(usize, u64) -> R + Clone + Send + 'static,
    R: Future<Output = Result<()>> + Send,
{
    let began = Instant::now();
    let until = began + length;
    let client = |number: usize| {
        let work = work.clone();
        tokio::spawn(async move {
            let mut load = Load::default();
            loop {
                let asked = Instant::now();
                if asked >= until {
                    return Ok::<_, anyhow::Error>(load);
                }
                work(number, load.operations).await?;
                load.note(asked.elapsed());
            }
        })
    };
    let clients: FuturesUnordered<_> = (0..clients).map(client).collect();
    let mut all = Load::default();
    let mut done = clients;
    while let Some(load) = done.next().await {
        all.add(load??);
    }
    all.elapsed = began.elapsed();
    Ok(all)
}

/// Operations that begin at their own times, `per_second` of them evenly, whether those before are answered or not.
/// What counts is the time from when each should have begun. Runs on this thread, which the runtime must not leave.
pub async fn open_loop<W, R>(per_second: u32, length: Duration, work: W) -> Result<Load>
where
    W: Fn(u64) -> R + 'static,
    R: Future<Output = Result<()>> + 'static,
{
    /// More than so many unanswered ones, and the contender does not keep up.
    const WAITING: usize = 20_000;
    let count = (f64::from(per_second) * length.as_secs_f64()) as u64;
    ensure!(count > 0, "a round too short for one operation");
    let began = Instant::now() + Duration::from_millis(1);
    let due = move |number: u64| began + Duration::from_secs_f64(number as f64 / f64::from(per_second));
    // The runtime's timer ticks in whole milliseconds: a thread of its own wakes up more exactly.
    let (tell, mut told) = mpsc::unbounded_channel();
    let pace = thread::spawn(move || {
        for number in 0..count {
            let wait = due(number).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                #[expect(clippy::disallowed_methods, reason = "the time itself is what is waited for")]
                thread::sleep(wait);
            }
            if tell.send(number).is_err() {
                return;
            }
        }
    });
    let work = Rc::new(work);
    let mut load = Load::default();
    let mut waiting = FuturesUnordered::new();
    let mut more = true;
    while more || !waiting.is_empty() {
        tokio::select! {
            number = told.recv(), if more => match number {
                Some(number) => {
                    let work = work.clone();
                    waiting.push(async move {
                        work(number).await?;
                        Ok::<_, anyhow::Error>(due(number).elapsed())
                    });
                }
                None => more = false,
            },
            Some(done) = waiting.next(), if !waiting.is_empty() => load.note(done?),
        }
        if waiting.len() > WAITING {
            bail!("{WAITING} requests wait for their answers: {per_second} a second are too many");
        }
    }
    load.elapsed = began.elapsed();
    ensure!(pace.join().is_ok(), "the pace was lost");
    Ok(load)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn every_client_works_and_all_is_counted() {
        let done = Arc::new([const { AtomicU64::new(0) }; 3]);
        let seen = done.clone();
        let load = closed_loop(3, Duration::from_millis(20), move |client, _| {
            let seen = seen.clone();
            async move {
                seen[client].fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(())
            }
        });
        let load = load.await.expect("nobody fails");
        let counts: Vec<u64> = done.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        assert_eq!(load.operations, counts.iter().sum::<u64>());
        assert!(load.elapsed >= Duration::from_millis(20));
        let sample = load.sample();
        assert!(sample.p99_micros >= sample.p50_micros);
    }

    #[tokio::test]
    async fn a_wrong_answer_is_no_answer() {
        let load = closed_loop(2, Duration::from_secs(60), |client, before| async move {
            ensure!(client == 0 || before < 3, "wrong");
            tokio::task::yield_now().await;
            Ok(())
        });
        assert_eq!(load.await.expect_err("one failed").to_string(), "wrong");
    }

    #[tokio::test]
    async fn an_open_loop_counts_from_when_each_should_have_begun() {
        let last = Rc::new(tokio::sync::Notify::new());
        // The first one is answered when the last one asks, 49 ms later: nobody waited for it meanwhile.
        let load = open_loop(1_000, Duration::from_millis(50), move |number| {
            let last = last.clone();
            async move {
                match number {
                    0 => last.notified().await,
                    49 => last.notify_one(),
                    _ => {}
                }
                Ok(())
            }
        });
        let load = load.await.expect("nobody fails");
        assert_eq!(load.operations, 50);
        let worst = load.sample().p99_micros.expect("some");
        assert!(worst >= 45_000.0, "{worst} µs");
    }
}
