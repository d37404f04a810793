//! A letter: one recipient, a subject, and the same words twice, as text and as HTML.

use std::fmt;

use async_trait::async_trait;
use micro_domain::Email;

/// Why a letter did not leave. It repeats neither the address nor the words.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A template could not be filled in.
    #[error("the letter's template failed")]
    Template(#[source] tera::Error),
    /// A subject with a line break in it.
    #[error("a subject is one line of printable text")]
    Subject,
    /// The letter could not be put together.
    #[error("the letter could not be put together")]
    Compose,
    /// The mail server did not take it: worth another try. Its own words may name the recipient, so only
    /// its reply code is kept.
    #[error("the mail server did not take the letter (reply {reply:?}, timed out: {timed_out})")]
    Refused {
        /// SMTP's three digits, if it got as far as a reply.
        reply: Option<u16>,
        /// No reply in time.
        timed_out: bool,
    },
}

/// Something to send to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    to: Email,
    subject: String,
    text: String,
    html: String,
}

impl Letter {
    /// Puts a letter together. A subject that could start another header line is refused.
    pub fn new(to: Email, subject: &str, text: String, html: String) -> Result<Self, MailError> {
        if subject.is_empty() || subject.chars().any(char::is_control) {
            return Err(MailError::Subject);
        }
        Ok(Self {
            to,
            subject: subject.to_owned(),
            text,
            html,
        })
    }

    /// Whom it goes to.
    pub fn to(&self) -> &Email {
        &self.to
    }

    /// One line.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// For terminals and screen readers.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For everybody else.
    pub fn html(&self) -> &str {
        &self.html
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Takes letters to where they are read.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands the letter over; done when the next server has taken it.
    async fn send(&self, letter: &Letter) -> Result<(), MailError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Email {
        Email::parse("ada@example.com").expect("valid")
    }

    #[test]
    fn a_subject_cannot_start_another_header() {
        for bad in ["", "Hello\r\nBcc: eve@example.com", "Hello\nX: y", "tab\t", "nul\0"] {
            assert!(
                matches!(
                    Letter::new(ada(), bad, String::new(), String::new()),
                    Err(MailError::Subject)
                ),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn debug_shows_neither_recipient_nor_code() {
        let letter = Letter::new(ada(), "Your code", "c0de".into(), "c0de".into()).expect("valid");
        let shown = format!("{letter:?}");
        assert!(!shown.contains("ada") && !shown.contains("c0de"), "{shown}");
    }
}
