//! What can go wrong on the way to a namespace, in the words the person reads.

use micro_error::{Error, Kind};
use micro_limits::Exceeded;
use micro_mail::MailError;
use micro_storage::StoreError;

/// Why a step of a sign-up was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// No address.
    #[error("Please specify an email address")]
    NoEmail,
    /// Not an address.
    #[error("That is not a valid email address")]
    BadEmail,
    /// Not a code of this attempt: never was, or is no longer.
    #[error("The token you provided is invalid")]
    BadCode,
    /// It was one.
    #[error("The token you provided has expired")]
    OldCode,
    /// Five were wrong.
    #[error("Too many wrong tokens. Please start again")]
    TooManyTries,
    /// A handle that belongs to no attempt that may go on.
    #[error("The token you provided is incorrect")]
    BadHandle,
    /// A password that cannot be taken, and why.
    #[error("{0}")]
    Password(&'static str),
    /// The page is not completed; it is at this address.
    #[error("Payment is required. Please enter your card at {0}")]
    CardMissing(String),
    /// What was pasted is not this attempt's payment token.
    #[error("The payment token you provided is invalid")]
    BadPaymentToken,
    /// The card was declined: the provider's words, and the page for another.
    #[error("{reason} Please try another card at {link}")]
    Declined {
        /// Why.
        reason: String,
        /// Where.
        link: String,
    },
    /// Cards come from the provider's page only.
    #[error("Cards are entered on the subscribe page only: its address is in your terminal")]
    NoCardsHere,
    /// A namespace of somebody's own choice.
    #[error("You have not been invited to that namespace")]
    NotInvited,
    /// Two terminals at once.
    #[error("Another sign-up with this address is being completed right now")]
    UnderWay,
    /// It is done; the handle has no further use.
    #[error("This sign-up is complete. Please log in")]
    Complete,
    /// Too late.
    #[error("This sign-up has expired. Please start again with micro signup")]
    Expired,
    /// Not in time; given back.
    #[error("We could not get your namespace ready in time and have refunded your payment. Please try again")]
    Refunded,
    /// Not in time; nothing was charged.
    #[error("We could not get your namespace ready in time. Nothing was charged. Please try again")]
    Failed,
    /// Still at it: the saga goes on by itself.
    #[error("Your namespace is still being made. Please repeat the command in a moment")]
    StillAtIt,
    /// No such subscribe page.
    #[error("There is no such subscribe page")]
    NoLink,
    /// The attempt is past the point where a card matters.
    #[error("This sign-up needs no card")]
    NoCardNeeded,
    /// A recovery letter was sent less than a minute ago.
    #[error("We have issued a recovery email recently. Please check that.")]
    RecoveredRecently,
    /// Too fast.
    #[error("too much at once")]
    Limit(#[from] Exceeded),
    /// Another service said no.
    #[error("asking another service")]
    Elsewhere(#[source] Error),
    /// A letter did not leave.
    #[error("sending a letter")]
    Mail(#[from] MailError),
    /// Storage failed.
    #[error("storing a sign-up")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SignupError {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

impl From<Error> for SignupError {
    fn from(e: Error) -> Self {
        Self::Elsewhere(e)
    }
}

impl From<SignupError> for Error {
    fn from(e: SignupError) -> Self {
        use SignupError as S;
        let (kind, id) = match &e {
            S::NoEmail | S::BadEmail => (Kind::Invalid, "signup.email"),
            S::BadCode | S::OldCode => (Kind::Forbidden, "signup.code"),
            S::TooManyTries => (Kind::TooMany, "signup.tries"),
            S::BadHandle => (Kind::Forbidden, "signup.token"),
            S::Password(_) => (Kind::Invalid, "signup.password"),
            S::CardMissing(_) => (Kind::PaymentRequired, "signup.card"),
            S::BadPaymentToken => (Kind::Forbidden, "signup.payment_token"),
            S::Declined { .. } => (Kind::PaymentRequired, "billing.declined"),
            S::NoCardsHere => (Kind::Forbidden, "signup.payment_method"),
            S::NotInvited => (Kind::Forbidden, "signup.notallowed"),
            S::UnderWay => (Kind::Conflict, "signup.under_way"),
            S::Complete => (Kind::Conflict, "signup.complete"),
            S::Expired => (Kind::Invalid, "signup.expired"),
            S::Refunded => (Kind::Unavailable, "signup.refunded"),
            S::Failed => (Kind::Unavailable, "signup.failed"),
            S::StillAtIt => (Kind::Unavailable, "signup.still_at_it"),
            S::NoLink => (Kind::NotFound, "signup.link"),
            S::NoCardNeeded => (Kind::Conflict, "signup.card"),
            S::RecoveredRecently => (Kind::Invalid, "signup.recover"),
            S::Limit(exceeded) => return (*exceeded).into(),
            S::Elsewhere(theirs) => return theirs.clone(),
            S::Store(StoreError::Contended(_)) => {
                return Self::new(Kind::Unavailable, "signup.busy", "Please try again.").because(e);
            }
            S::Mail(_) | S::Store(_) => return Self::internal(e),
        };
        Self::new(kind, id, e.to_string())
    }
}
