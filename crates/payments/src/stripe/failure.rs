//! From Stripe's errors to what is known after them.

use stripe::StripeError;

use crate::PaymentsError;

pub(super) trait Classified<T> {
    fn classified(self) -> Result<T, PaymentsError>;
}

impl<T> Classified<T> for Result<T, StripeError> {
    fn classified(self) -> Result<T, PaymentsError> {
        self.map_err(classify)
    }
}

/// A refusal of our own making: nothing was sent, or the answer cannot be used.
pub(super) fn definite(code: &str) -> PaymentsError {
    PaymentsError::Refused {
        status: 400,
        code: code.into(),
    }
}

fn classify(error: StripeError) -> PaymentsError {
    match error {
        StripeError::Stripe(error, status) => {
            let code = error
                .code
                .as_ref()
                .map_or_else(|| error.type_.as_str().to_owned(), |c| c.as_str().to_owned());
            match status {
                402 => PaymentsError::Declined {
                    reason: error.message.unwrap_or_else(|| "Your card was declined.".into()),
                    code: error.decline_code.unwrap_or(code),
                },
                // A key in use, a lock, a limit: another call may be doing it, or nobody is.
                409 | 429 | 500.. => PaymentsError::Unknown {
                    cause: format!("{status} {code}"),
                },
                _ => PaymentsError::Refused { status, code },
            }
        }
        StripeError::ConfigError(_) => definite("configuration"),
        StripeError::Timeout => PaymentsError::Unknown {
            cause: "timeout".into(),
        },
        StripeError::ClientError(cause) => PaymentsError::Unknown { cause },
        // Perhaps the answer of something in between, perhaps a success in a shape we cannot read.
        StripeError::JSONDeserialize(cause) => PaymentsError::Unknown {
            cause: format!("unreadable answer: {cause}"),
        },
    }
}
