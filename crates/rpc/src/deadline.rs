//! How long a caller waits: Micro's `timeout` header in nanoseconds, and gRPC's own.

use std::{future::Future, time::Duration};

use futures::StreamExt;
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
        let micro = text(TIMEOUT_HEADER).and_then(|t| t.parse().ok()).map(Duration::from_nanos);
        let grpc = text("grpc-timeout").and_then(parse_grpc);
        micro.into_iter().chain(grpc).min().map_or(Self(None), Self::within)
    }

    /// What is left, if there is a limit.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The sooner of this and `wait` from now.
    #[must_use]
    pub fn at_most(self, wait: Duration) -> Self {
        let limit = Self::within(wait).0;
        Self(self.0.into_iter().chain(limit).min())
    }

    /// Waits until it has passed; forever where there is none.
    pub async fn passed(self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Runs `work` until the caller stops waiting.
    pub async fn bound<T>(self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match self.0 {
            Some(at) => tokio::time::timeout_at(at, work).await.unwrap_or_else(|_| Err(exceeded().into())),
            None => work.await,
        }
    }

    /// The same payload, ended by an error once the caller stops waiting.
    #[must_use]
    pub fn bound_payload(self, payload: Payload) -> Payload {
        match (self.0, payload) {
            (Some(_), Payload::Many(frames)) => {
                let over = futures::stream::once(async move {
                    self.passed().await;
                    Err(exceeded().into())
                });
                let ended = |item: &Option<Result<_, Status>>| std::future::ready(item.is_some());
                let marked = frames.map(Some).chain(futures::stream::iter([None]));
                let both = futures::stream::select(marked, over.map(Some)).take_while(ended).filter_map(std::future::ready);
                Payload::Many(Box::pin(end_after_error(both)))
            }
            (_, payload) => payload,
        }
    }
}

/// Nothing follows an error.
fn end_after_error<T>(
    items: impl futures::Stream<Item = Result<T, Status>>,
) -> impl futures::Stream<Item = Result<T, Status>> {
    items.scan(false, |failed, item| {
        let go_on = !*failed;
        *failed |= item.is_err();
        std::future::ready(go_on.then_some(item))
    })
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
        let headers = pairs.iter().map(|(n, v)| (n.parse().expect("name"), v.parse().expect("value"))).collect();
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
        let endless = Payload::Many(Box::pin(futures::stream::once(async { Ok("a".into()) }).chain(futures::stream::pending())));
        let got: Vec<_> = deadline.bound_payload(endless).frames().collect().await;
        assert!(matches!(got.as_slice(), [Ok(_), Err(Status::Error(e))] if e.kind() == Kind::Timeout), "{got:?}");

        let short = Payload::Many(Box::pin(futures::stream::iter([Ok("a".into())])));
        let got: Vec<_> = Deadline::within(Duration::from_secs(3600)).bound_payload(short).frames().collect().await;
        assert!(matches!(got.as_slice(), [Ok(_)]), "{got:?}");
    }
}
