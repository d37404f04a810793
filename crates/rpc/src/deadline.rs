//! How long a caller waits: Micro's `timeout` header in nanoseconds, and gRPC's own.

use std::{future::Future, time::Duration};

use futures::{FutureExt, StreamExt, future::Either, stream};
use http::HeaderMap;
use micro_error::{Error, Kind};
use tokio::time::Instant;

use crate::{Payload, Status};

/// Micro's own header: decimal nanoseconds.
pub const TIMEOUT_HEADER: &str = "timeout";

/// When the caller stops waiting, if ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now.
    pub fn within(wait: Duration) -> Self {
        Self(Instant::now().checked_add(wait))
    }

    /// What the headers ask for: the sooner of the two.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok());
        let micro = text(TIMEOUT_HEADER)
            .and_then(|t| t.parse().ok())
            .map(Duration::from_nanos);
        let grpc = text("grpc-timeout").and_then(parse_grpc);
        micro.into_iter().chain(grpc).min().map_or(Self(None), Self::within)
    }

    /// What is left, if there is a limit.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// This, or so long from now where there is none.
    #[must_use]
    pub fn or_within(self, wait: Duration) -> Self {
        if self.0.is_some() { self } else { Self::within(wait) }
    }

    /// Waits until it has passed; forever where there is none.
    pub async fn passed(self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Runs `work` until the caller stops waiting.
    // No async function: that would have room for `work` twice, in the future of every request.
    pub fn bound<T>(self, work: impl Future<Output = Result<T, Status>>) -> impl Future<Output = Result<T, Status>> {
        match self.0 {
            Some(at) => {
                let bounded = tokio::time::timeout_at(at, work);
                Either::Left(bounded.map(|done| done.unwrap_or_else(|_| Err(exceeded().into()))))
            }
            None => Either::Right(work),
        }
    }

    /// The same payload, ended by an error once the caller stops waiting.
    #[must_use]
    pub fn bound_payload(self, payload: Payload) -> Payload {
        match (self.0, payload) {
            (Some(_), Payload::Many(frames)) => {
                Payload::Many(Box::pin(stream::unfold(Some(frames), move |open| async move {
                    let mut frames = open?;
                    let next = tokio::select! {
                        biased;
                        next = frames.next() => next?,
                        () = self.passed() => Err(exceeded().into()),
                    };
                    // Nothing follows an error.
                    let open = next.is_ok().then_some(frames);
                    Some((next, open))
                })))
            }
            (_, payload) => payload,
        }
    }
}

/// Micro's answer to a caller that waited long enough.
pub(crate) fn exceeded() -> Error {
    Error::new(Kind::Timeout, "go.micro.client", "context deadline exceeded")
}

/// gRPC's form: up to eight digits and a unit.
fn parse_grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => amount.checked_mul(3600).map(Duration::from_secs),
        "M" => amount.checked_mul(60).map(Duration::from_secs),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<u128> {
        let headers = pairs
            .iter()
            .map(|(n, v)| (n.parse().expect("name"), v.parse().expect("value")))
            .collect();
        Deadline::of(&headers).remaining().map(|d| d.as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_sooner_header_counts() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("timeout", "300000000")]), Some(300));
        assert_eq!(asked(&[("grpc-timeout", "2S")]), Some(2000));
        assert_eq!(asked(&[("timeout", "5000000000"), ("grpc-timeout", "100m")]), Some(100));
        assert_eq!(asked(&[("timeout", "soon"), ("grpc-timeout", "S")]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_deadline_or_with_its_source() {
        let deadline = Deadline::within(Duration::from_millis(5));
        let endless = Payload::Many(Box::pin(
            futures::stream::once(async { Ok("a".into()) }).chain(futures::stream::pending()),
        ));
        let got: Vec<_> = deadline.bound_payload(endless).frames().collect().await;
        assert!(
            matches!(got.as_slice(), [Ok(_), Err(Status::Error(e))] if e.kind() == Kind::Timeout),
            "{got:?}"
        );

        let short = Payload::Many(Box::pin(futures::stream::iter([Ok("a".into())])));
        let got: Vec<_> = Deadline::within(Duration::from_secs(3600))
            .bound_payload(short)
            .frames()
            .collect()
            .await;
        assert!(matches!(got.as_slice(), [Ok(_)]), "{got:?}");
    }
}
