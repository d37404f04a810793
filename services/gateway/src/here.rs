//! Pages that a local server must not answer. It has a well-known administrator and runs what it is given: a page
//! of some other site, open in a browser of the same machine, must not reach it, neither across origins nor by
//! having its own name point here.

use std::net::IpAddr;

use http::{HeaderMap, Request, header};

/// Whether a request to a local server's door was made on purpose. `loopback`: the door is on one.
pub fn is_meant<B>(request: &Request<B>, loopback: bool) -> bool {
    let host = request.uri().host().or_else(|| text(request.headers(), header::HOST));
    let host = host.map(name);
    let by_its_name = !loopback || host.is_none_or(is_this_machine);
    // Only browsers say an origin, and they say it with everything that a page could read or change.
    let from_here = text(request.headers(), header::ORIGIN).is_none_or(|origin| {
        let page = origin.split_once("://").map(|(_, host)| name(host));
        page.is_some_and(|page| is_this_machine(page) || (address(page).is_some() && host == Some(page)))
    });
    by_its_name && from_here
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn address(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address(&name).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_not_meant() {
        for (host, origin, on_loopback, elsewhere) in [
            ("127.0.0.1:8080", "", true, true),
            ("localhost:8080", "", true, true),
            ("[::1]:8080", "", true, true),
            ("shop.localhost:8080", "", true, true),
            ("127.0.0.1:8080", "http://localhost:3000", true, true),
            ("127.0.0.1:8080", "http://[::1]:3000", true, true),
            // Another machine of one's own, which cannot be told by its name.
            ("devbox:8080", "", false, true),
            ("192.168.1.7:8080", "http://192.168.1.7:8080", false, true),
            // Across origins.
            ("127.0.0.1:8080", "https://evil.example", false, false),
            ("127.0.0.1:8080", "null", false, false),
            ("127.0.0.1:8080", "http://localhost.evil.example", false, false),
            ("127.0.0.1:8080", "http://127.0.0.1.evil.example", false, false),
            ("192.168.1.7:8080", "http://192.168.1.8:8080", false, false),
            // By a name that was made to point here.
            ("evil.example:8080", "", false, true),
            ("evil.example:8080", "http://evil.example:8080", false, false),
        ] {
            let mut request = Request::get("/auth/Auth/Token").header("host", host);
            if !origin.is_empty() {
                request = request.header("origin", origin);
            }
            let request = request.body(()).expect("valid");
            let got = (is_meant(&request, true), is_meant(&request, false));
            assert_eq!(got, (on_loopback, elsewhere), "{host} {origin}");
        }
    }
}
