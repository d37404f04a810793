//! What a replica adds to a call that it passes on: for which address, and proof that it is a replica.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use time::OffsetDateTime;

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("micro-hop");

/// How far apart the clocks of two replicas may be, and how long a call may be on its way between them.
const SECONDS: i64 = 60;

/// Makes and checks marks. All replicas have the same key.
pub struct Marks(hmac::Key);

impl Marks {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The mark of a call to `path` through a door, made for somebody at `from`.
    pub fn make(&self, door: &str, path: &str, from: IpAddr, now: OffsetDateTime) -> HeaderValue {
        let at = now.unix_timestamp();
        let proof = hmac::sign(&self.0, said(door, path, from, at).as_bytes());
        let text = format!("{at}.{}.{from}", URL_SAFE_NO_PAD.encode(proof));
        let mut value = HeaderValue::try_from(text).expect("digits, letters and an address");
        value.set_sensitive(true);
        value
    }

    /// Takes the mark off a request: the address that it was made for, if a replica made it for this very call.
    pub fn take(&self, headers: &mut HeaderMap, door: &str, path: &str, now: OffsetDateTime) -> Option<IpAddr> {
        let mark = headers.remove(HEADER)?;
        let mut parts = mark.to_str().ok()?.splitn(3, '.');
        let (at, proof, from) = (parts.next()?, parts.next()?, parts.next()?);
        let (at, from) = (at.parse::<i64>().ok()?, from.parse::<IpAddr>().ok()?);
        let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
        hmac::verify(&self.0, said(door, path, from, at).as_bytes(), &proof).ok()?;
        let age = now.unix_timestamp().checked_sub(at)?;
        (-SECONDS..=SECONDS).contains(&age).then_some(from)
    }
}

/// No part but the last can hold a space.
fn said(door: &str, path: &str, from: IpAddr, at: i64) -> String {
    format!("{at} {door} {from} {path}")
}

#[cfg(test)]
mod tests {
    use micro_clock::{Clock, TestClock};
    use time::Duration;

    use super::*;

    #[test]
    fn a_mark_is_good_for_one_call_of_a_replicas() {
        let (marks, strangers) = (Marks::new(&[1; 32]), Marks::new(&[2; 32]));
        let (now, from) = (TestClock::default().now(), "2001:db8::7".parse().expect("valid"));
        let take = |mark: &HeaderValue, door, path, now| {
            let mut headers = HeaderMap::from_iter([(HEADER, mark.clone())]);
            let taken = marks.take(&mut headers, door, path, now);
            assert!(headers.is_empty(), "nobody behind the door sees it");
            taken
        };
        let mark = marks.make("proxy", "/a.A/B", from, now);
        assert_eq!(take(&mark, "proxy", "/a.A/B", now), Some(from));
        assert_eq!(take(&mark, "proxy", "/a.A/B", now - Duration::seconds(60)), Some(from));
        for (door, path, now) in [
            ("api", "/a.A/B", now),
            ("proxy", "/a.A/C", now),
            ("proxy", "/a.A/B", now + Duration::seconds(61)),
        ] {
            assert_eq!(take(&mark, door, path, now), None, "{door} {path} {now}");
        }
        assert_eq!(
            take(&strangers.make("proxy", "/a.A/B", from, now), "proxy", "/a.A/B", now),
            None
        );
        let other = mark.to_str().expect("text").replace("2001:db8::7", "2001:db8::8");
        for forged in [other.as_str(), "", "1.2.3", "..", "9223372036854775807.AA.::1"] {
            assert_eq!(
                take(&HeaderValue::from_str(forged).expect("text"), "proxy", "/a.A/B", now),
                None
            );
        }
    }
}
