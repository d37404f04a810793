//! How long a caller waits: Micro's `timeout` header in nanoseconds, and gRPC's own.

use std::{collections::BTreeMap, future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::Error;

/// Micro's own header: decimal nanoseconds.
pub(crate) const TIMEOUT: &str = "timeout";

/// When the caller that sent this metadata stops waiting, if ever: the sooner of what the two say.
pub(crate) fn of(metadata: &BTreeMap<String, String>) -> Option<Instant> {
    let micro = metadata.get(TIMEOUT).and_then(|t| t.parse().ok());
    let grpc = metadata.get("grpc-timeout").and_then(|t| grpc(t));
    let wait = micro.map(Duration::from_nanos).into_iter().chain(grpc).min()?;
    Instant::now().checked_add(wait)
}

/// At most eight digits and a unit.
fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = Some(digits).filter(|d| d.len() <= 8)?.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The work's outcome, unless its time is over before.
pub(crate) async fn bound<T>(
    at: Option<Instant>,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match at {
        Some(at) => timeout_at(at, work).await.unwrap_or_else(|_| Err(over(what))),
        None => work.await,
    }
}

pub(crate) fn over(what: &str) -> Error {
    Error::new(408, format!("{what} took longer than its caller waits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_of_both_counts_and_what_is_no_time_does_not() {
        let asked = |pairs: &[(&str, &str)]| {
            let metadata = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            of(&metadata).map(|at| at.saturating_duration_since(Instant::now()).as_secs_f32().round() as u32)
        };
        assert_eq!(asked(&[("timeout", "9000000000")]), Some(9));
        assert_eq!(asked(&[("timeout", "9000000000"), ("grpc-timeout", "4S")]), Some(4));
        assert_eq!(asked(&[("timeout", "soon"), ("grpc-timeout", "2M")]), Some(120));
        for nothing in ["", "S", "1x", "123456789S", "-1S", "é"] {
            assert_eq!(asked(&[("grpc-timeout", nothing)]), None, "{nothing}");
        }
        assert_eq!(asked(&[]), None);
    }
}
