//! How a command ends: exit codes, and the table from errors to them (reference/micro-wire §4.2).

use micro_error::{Error, Kind};

/// Exit codes. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It was not: wrong use, wrong input, or a failure that is told in full.
    Failed = 1,
    /// Nobody is logged in, or not somebody who may do that.
    NotAuthorized = 2,
    /// A method's name is not one.
    BadMethod = 3,
    /// The server, or the service behind it, cannot be reached.
    NotReached = 4,
    /// The service knows no such method.
    NoSuchMethod = 5,
    /// The server refused and said why.
    Refused = 127,
    /// Anything else.
    Error = 128,
    /// Ctrl-C at a prompt.
    Interrupted = 130,
}

/// Why a command failed, and the code it exits with.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the person reads; nothing where all is said already.
    pub message: String,
    /// What the script reads.
    pub exit: Exit,
}

/// What commands return.
pub type Result<T = Exit> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with a code of its own.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit,
        }
    }

    /// A failure of the ordinary kind: its first letter is made a capital, the code is 1.
    pub fn plain(message: impl AsRef<str>) -> Self {
        Self::new(Exit::Failed, capitalised(message.as_ref()))
    }

    /// What failed on this machine, with the cause.
    pub fn because(what: impl std::fmt::Display, cause: impl std::fmt::Display) -> Self {
        Self::plain(format!("{what}: {cause}"))
    }

    /// The same, with what to do next on a line of its own.
    #[must_use]
    pub fn next(mut self, hint: impl std::fmt::Display) -> Self {
        self.message = format!("{}\n{hint}", self.message);
        self
    }

    /// The server's own words with code 1, as login and signup end.
    pub fn detail(error: &Error) -> Self {
        Self::plain(error.message())
    }

    /// An error of the server through the table.
    pub fn of(error: &Error) -> Self {
        let text = error.message();
        if let Some(name) = between(text, "malformed method name: \"", "\"") {
            let name = name.trim_start_matches('/');
            return Self::new(
                Exit::BadMethod,
                format!("Method name {name:?} invalid format. Expecting service.endpoint"),
            );
        }
        if let Some(name) = text
            .strip_suffix(": route not found")
            .and_then(|t| t.rsplit("service ").next())
            && !name.is_empty()
            && !name.contains(' ')
        {
            return Self::new(Exit::NotReached, format!("Service \"{name}\" not found"));
        }
        if let Some((_, rest)) = text.split_once("unknown service ") {
            let name = rest.split_whitespace().next().unwrap_or_default();
            let what = if name.contains('.') {
                "Service method"
            } else {
                "Service"
            };
            return Self::new(Exit::NoSuchMethod, format!("{what} \"{name}\" not found"));
        }
        match error.kind() {
            Kind::Timeout => Self::new(Exit::Failed, "Request timed out"),
            Kind::Unauthenticated => Self::new(Exit::NotAuthorized, "Not authorized to perform this request"),
            _ => Self::new(Exit::Refused, text),
        }
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_words_and_code() {
        let server = |kind, text: &str| Failure::of(&Error::new(kind, "go.micro.client", text));
        let table = [
            (
                Kind::Internal,
                "malformed method name: \"/Foo\"",
                "Method name \"Foo\" invalid format. Expecting service.endpoint",
                3,
            ),
            (
                Kind::Internal,
                "service nope: route not found",
                "Service \"nope\" not found",
                4,
            ),
            (
                Kind::Internal,
                "service my-svc: route not found",
                "Service \"my-svc\" not found",
                4,
            ),
            (
                Kind::Unimplemented,
                "unknown service Store.Nope",
                "Service method \"Store.Nope\" not found",
                5,
            ),
            (
                Kind::Unimplemented,
                "unknown service Nope",
                "Service \"Nope\" not found",
                5,
            ),
            (Kind::Timeout, "context deadline exceeded", "Request timed out", 1),
            (
                Kind::Unauthenticated,
                "Unauthorized",
                "Not authorized to perform this request",
                2,
            ),
            (
                Kind::PaymentRequired,
                "Payment is required.",
                "Payment is required.",
                127,
            ),
            (Kind::NotFound, "not found", "not found", 127),
        ];
        for (kind, text, message, code) in table {
            let failure = server(kind, text);
            assert_eq!(
                (failure.message.as_str(), failure.exit as i32),
                (message, code),
                "{text}"
            );
        }
    }

    #[test]
    fn plain_failures_begin_with_a_capital() {
        assert_eq!(
            Failure::plain("secret not correct"),
            Failure::new(Exit::Failed, "Secret not correct")
        );
    }
}
