//! The doors: parse, call, render. One a proto service.

mod pages;
mod session;
mod signup;

use micro_domain::Email;

use crate::SignupError;

fn email(text: &str) -> Result<Email, SignupError> {
    if text.trim().is_empty() {
        return Err(SignupError::NoEmail);
    }
    Email::parse(text).map_err(|_| SignupError::BadEmail)
}
