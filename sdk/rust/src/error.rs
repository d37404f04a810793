//! Micro's error: what a handler returns, and what a failed call tells.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as it travels: `{"Id":…,"Code":…,"Detail":…,"Status":…}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Error {
    /// Who says so: `greeter.Greeter.Hello`. Filled in for handlers that leave it empty.
    #[serde(default)]
    pub id: String,
    /// HTTP status code.
    #[serde(default)]
    pub code: u16,
    /// What happened, for people.
    #[serde(default)]
    pub detail: String,
    /// HTTP's phrase for the code.
    #[serde(default)]
    pub status: String,
}

impl Error {
    /// An error with an HTTP status code.
    pub fn new(code: u16, detail: impl Into<String>) -> Self {
        let phrase = http::StatusCode::from_u16(code).ok().and_then(|s| s.canonical_reason());
        Self {
            id: String::new(),
            code,
            detail: detail.into(),
            status: phrase.unwrap_or("Unknown").into(),
        }
    }

    /// 400: the request is wrong, and the caller can mend it.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, detail)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// 404: no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// 500: our fault.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, detail)
    }

    pub(crate) fn named(mut self, id: &str) -> Self {
        if self.id.is_empty() {
            self.id = id.into();
        }
        self
    }

    /// The gRPC code that belongs to the HTTP one.
    pub(crate) fn grpc_code(&self) -> u8 {
        match self.code {
            400 => 3,
            401 => 16,
            403 => 7,
            404 => 5,
            408 => 4,
            409 => 6,
            412 => 9,
            500 => 13,
            501 => 12,
            503 => 14,
            _ => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

// As it reads: this is what is printed of an error that ends `main`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::internal(e.to_string())
    }
}

impl From<hyper::Error> for Error {
    fn from(e: hyper::Error) -> Self {
        Self::new(503, e.to_string())
    }
}
