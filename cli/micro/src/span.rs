//! Spans of time as people write and read them: `1h30m`, `4s ago`.

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// Reads a span: `500ms`, `5s`, `1h30m`, `2d`. `None` if it is none.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |i| digits + i);
        let unit = match &rest[digits..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total = total.checked_add(Duration::checked_seconds_f64(number * unit)?)?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

/// How long ago a service was updated: `1m43s ago`, from the time in its metadata.
pub fn ago(started: Option<&str>, now: OffsetDateTime) -> String {
    let Some(started) = started.filter(|s| !s.is_empty()) else {
        return "unknown".into();
    };
    match OffsetDateTime::parse(started, &Rfc3339) {
        Ok(at) => format!("{} ago", units(now - at)),
        Err(_) => started.to_owned(),
    }
}

/// Days, hours, minutes and seconds, without the leading ones that are zero.
pub fn units(span: Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(parts.len() - 1);
    parts[first..].iter().map(|(n, unit)| format!("{n}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_go_writes_them() {
        assert_eq!(parse("500ms"), Some(Duration::milliseconds(500)));
        assert_eq!(parse("1h30m"), Some(Duration::minutes(90)));
        assert_eq!(parse("1.5s"), Some(Duration::milliseconds(1_500)));
        assert_eq!(parse("2d"), Some(Duration::days(2)));
        for bad in ["", "5", "s", "1x", "-1s", "1h 30m"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ages_drop_leading_zeros() {
        let now = OffsetDateTime::parse("2026-01-02T00:00:00Z", &Rfc3339).expect("valid");
        assert_eq!(ago(Some("2026-01-01T23:59:56Z"), now), "4s ago");
        assert_eq!(ago(Some("2026-01-01T03:16:15Z"), now), "20h43m45s ago");
        assert_eq!(ago(Some("2025-12-31T00:00:00Z"), now), "2d0h0m0s ago");
        assert_eq!(ago(Some("2026-01-02T00:00:09Z"), now), "0s ago");
        assert_eq!(ago(Some("soon"), now), "soon");
        assert_eq!(ago(None, now), "unknown");
    }
}
