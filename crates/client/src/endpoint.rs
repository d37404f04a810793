//! Where a server is, and whether the way there is TLS (reference/micro-wire §1.5).

use std::{fmt, path::PathBuf};

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: write host, host:port or https://host")]
pub struct InvalidEndpoint(String);

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    tls: bool,
    ca_file: Option<PathBuf>,
}

impl Endpoint {
    /// Reads an address. `https://`, port 443 and no port at all mean TLS; any other port is plaintext.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint(text.to_owned());
        let (scheme, rest) = match text.trim().split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest.trim_end_matches('/')),
            Some(_) => return Err(invalid()),
            None => (None, text.trim()),
        };
        let (host, port) = split(rest).ok_or_else(invalid)?;
        let port = port.map(|p| p.parse::<u16>().map_err(|_| invalid())).transpose()?;
        let host = if host.is_empty() && port.is_some() {
            "127.0.0.1"
        } else {
            host
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(valid) {
            return Err(invalid());
        }
        let tls = match (scheme, port) {
            (Some("https"), _) => true,
            (Some(_), _) => false,
            (None, port) => port.is_none_or(|p| p == 443),
        };
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            ca_file: None,
        })
    }

    /// The same server, trusting also the certificates in a PEM file.
    #[must_use]
    pub fn with_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// The name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the way there is TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Host and port text; a host in brackets may hold colons.
fn split(rest: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match rest.split_once(':') {
        Some((host, port)) => (!port.contains(':')).then_some((host, Some(port))),
        None => Some((rest, None)),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_whether_it_is_tls() {
        let read = |text| Endpoint::parse(text).map(|e| (e.authority(), e.tls)).map_err(|e| e.0);
        for (text, authority, tls) in [
            ("127.0.0.1:8081", "127.0.0.1:8081", false),
            (":8081", "127.0.0.1:8081", false),
            ("proxy.m3o.com", "proxy.m3o.com:443", true),
            ("example.org:443", "example.org:443", true),
            ("https://example.org:8443/", "example.org:8443", true),
            ("https://example.org", "example.org:443", true),
            ("http://example.org:8081", "example.org:8081", false),
            ("[::1]:8081", "[::1]:8081", false),
        ] {
            assert_eq!(read(text), Ok((authority.to_owned(), tls)), "{text}");
        }
        for bad in ["", "ftp://x", "a:b", "a:1:2", "a b:1", "a/b:1", "a:99999", "[::1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
