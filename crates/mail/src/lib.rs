//! Letters and how they leave: by SMTP, or into a mailbox page where there is no mail server.

mod letter;
mod mailbox;
mod smtp;
mod templates;

pub use letter::{Letter, MailError, Mailer};
pub use mailbox::{Mailbox, Received};
pub use smtp::{Smtp, SmtpAddressError};
pub use templates::Template;
