//! The one error that leaves the system, and its two wires: Micro's JSON and gRPC codes, and HTTP status.
//!
//! Operations return enums of their own; at the door those become an [`Error`] here.

use std::{error::Error as StdError, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// What went wrong, in the terms that decide the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is malformed or breaks a rule: 400.
    Invalid,
    /// No valid credentials: 401.
    Unauthenticated,
    /// Payment is missing or was declined: 402.
    PaymentRequired,
    /// Known, but not allowed: 403.
    Forbidden,
    /// No such thing, or none of yours: 404.
    NotFound,
    /// Took longer than the caller allowed: 408.
    Timeout,
    /// It exists already, or changed meanwhile: 409.
    Conflict,
    /// A limit's edge on size: 413.
    TooLarge,
    /// A limit's edge on rate or count: 429.
    TooMany,
    /// Our fault: 500. The caller learns no more than that.
    Internal,
    /// Not built yet: 501.
    Unimplemented,
    /// Not now: 503.
    Unavailable,
}

impl Kind {
    /// HTTP status, which is Micro's `Code` too (reference/micro-wire §1.6).
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::PaymentRequired => 402,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Timeout => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
        }
    }

    /// gRPC status code (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
    pub const fn grpc(self) -> u8 {
        match self {
            Self::Invalid => 3,
            Self::Timeout => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::Forbidden => 7,
            Self::TooLarge | Self::TooMany => 8,
            Self::PaymentRequired => 9,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }

    /// The kind that a Micro error's code stands for; what it does not know is internal.
    pub const fn of_status(code: i32) -> Self {
        match code {
            400 => Self::Invalid,
            401 => Self::Unauthenticated,
            402 => Self::PaymentRequired,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::TooMany,
            501 => Self::Unimplemented,
            503 => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    /// The text of Micro's `Status` field: HTTP's reason phrase.
    pub fn phrase(self) -> &'static str {
        http::StatusCode::from_u16(self.status())
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Unknown")
    }
}

/// An error on its way out.
#[derive(Clone)]
pub struct Error {
    kind: Kind,
    id: String,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error for the caller. `id` is stable and for programs: Micro's id where its wire pins one
    /// (`auth.Auth.Token`), ours elsewhere (`signup.bad_code`); `message` is for people.
    pub fn new(kind: Kind, id: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            message: message.into(),
            source: None,
        }
    }

    /// Our fault: the cause goes to the log where the error leaves, and never to the caller.
    pub fn internal(source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::Internal,
            id: "internal".into(),
            message: "Something went wrong on our side. Please try again.".into(),
            source: Some(Arc::new(source)),
        }
    }

    /// The same error with its cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error under another id: a handler names itself in errors that come from below.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Decides the status code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Stable, for programs: Micro's `Id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// For people: Micro's `Detail`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Micro's error object, as it stands in `grpc-message` and in HTTP bodies.
    pub fn to_wire(&self) -> WireError {
        WireError {
            id: self.id.clone(),
            code: i32::from(self.kind.status()),
            detail: self.message.clone(),
            status: self.kind.phrase().to_owned(),
        }
    }

    /// [`Self::to_wire`] as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.to_wire()).unwrap_or_default()
    }
}

/// `{"Id":…,"Code":…,"Detail":…,"Status":…}` (reference/micro-wire §1.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WireError {
    /// Who says so.
    #[serde(default, alias = "id")]
    pub id: String,
    /// HTTP status code.
    #[serde(default, alias = "code")]
    pub code: i32,
    /// What happened.
    #[serde(default, alias = "detail")]
    pub detail: String,
    /// HTTP's phrase for the code.
    #[serde(default, alias = "status")]
    pub status: String,
}

impl From<WireError> for Error {
    fn from(wire: WireError) -> Self {
        Self::new(Kind::of_status(wire.code), wire.id, wire.detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.kind, self.id, self.message)?;
        let mut cause = self.source();
        while let Some(e) = cause {
            write!(f, ": {e}")?;
            cause = e.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_micros() {
        let e = Error::new(Kind::Unauthenticated, "auth", "100% \"no\"");
        assert_eq!(
            e.to_json(),
            r#"{"Id":"auth","Code":401,"Detail":"100% \"no\"","Status":"Unauthorized"}"#
        );
        let back: WireError = serde_json::from_str(&e.to_json()).expect("own output");
        assert_eq!(Error::from(back).kind(), Kind::Unauthenticated);
    }

    #[test]
    fn a_cause_is_for_the_log_only() {
        let e = Error::internal(std::io::Error::other("password=hunter2"));
        assert!(!e.to_json().contains("hunter2"));
        assert!(format!("{e:?}").contains("hunter2"));
    }
}
