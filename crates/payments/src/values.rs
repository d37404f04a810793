//! What goes to a provider and comes back, without a word of the provider's own types.

use std::fmt;

use micro_domain::{AttemptId, Email, Money, Plan};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps an id that the provider gave.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// Whom the provider charges.
    CustomerId
);
text_id!(
    /// A page on which a card is stored.
    CheckoutId
);
text_id!(
    /// A stored card: never its number.
    CardId
);
text_id!(
    /// A monthly charge.
    SubscriptionId
);
text_id!(
    /// One month's bill.
    InvoiceId
);
text_id!(
    /// Money that was taken.
    PaymentId
);
text_id!(
    /// Money that was given back.
    RefundId
);

/// An idempotency key: the provider does a request once per key, for as long as it remembers the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Wraps a key that was made and stored before the call: 1 to 255 visible characters.
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        let valid = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        valid.then_some(Self(key))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Somebody to be charged.
#[derive(Clone, Debug)]
pub struct NewCustomer<'a> {
    /// Stands in the provider's metadata, so that the customer can be found by it.
    pub attempt: AttemptId,
    /// Where receipts go.
    pub email: &'a Email,
}

/// Somebody who can be charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The attempt it was made for.
    pub attempt: Option<AttemptId>,
}

/// A page that is wanted.
#[derive(Clone, Debug)]
pub struct NewCheckout<'a> {
    /// Whose page it is; read back from the page, it is what binds a card to its attempt.
    pub attempt: AttemptId,
    /// Whose card it will be.
    pub customer: &'a CustomerId,
    /// Where the browser goes when the card is stored.
    pub success_url: &'a str,
    /// Where it goes when the person turns back.
    pub cancel_url: &'a str,
}

/// A page that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Its id.
    pub id: CheckoutId,
    /// Its address.
    pub url: String,
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckout {
    /// Its id.
    pub id: CheckoutId,
    /// Whose page it is.
    pub attempt: Option<AttemptId>,
    /// How it stands.
    pub state: CheckoutState,
    /// Its address, while it is open.
    pub url: Option<String>,
}

/// How a page stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutState {
    /// Waiting for a card.
    Open,
    /// The card is stored.
    Complete(CardId),
    /// Nobody came in time.
    Expired,
}

/// A subscription that is wanted: charged at once or not made at all.
#[derive(Clone, Debug)]
pub struct NewSubscription<'a> {
    /// Stands in the provider's metadata, so that the subscription can be found by it.
    pub attempt: AttemptId,
    /// What it pays for, by name; for people who look at the provider's pages.
    pub namespace: &'a str,
    /// Who pays.
    pub customer: &'a CustomerId,
    /// With what; becomes the customer's default.
    pub card: &'a CardId,
    /// What is bought.
    pub plan: Plan,
}

/// A subscription as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Who pays.
    pub customer: CustomerId,
    /// The attempt it was made for.
    pub attempt: Option<AttemptId>,
    /// How it stands.
    pub status: SubscriptionStatus,
    /// The end of what has been billed.
    pub period_ends_at: OffsetDateTime,
    /// What a period costs.
    pub price: Money,
    /// Its newest bill.
    pub latest_invoice: Option<InvoiceId>,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Never asked for money.
    Free,
    /// The first charge has not gone through.
    Incomplete,
    /// It never did.
    IncompleteExpired,
    /// Not yet charged.
    Trialing,
    /// Paid.
    Active,
    /// A later charge has not gone through.
    PastDue,
    /// Ended.
    Canceled,
    /// Given up on.
    Unpaid,
    /// Halted.
    Paused,
    /// A word we do not know: neither live nor ended.
    Unknown,
}

impl SubscriptionStatus {
    const WORDS: [(Self, &'static str); 10] = [
        (Self::Free, "free"),
        (Self::Incomplete, "incomplete"),
        (Self::IncompleteExpired, "incomplete_expired"),
        (Self::Trialing, "trialing"),
        (Self::Active, "active"),
        (Self::PastDue, "past_due"),
        (Self::Canceled, "canceled"),
        (Self::Unpaid, "unpaid"),
        (Self::Paused, "paused"),
        (Self::Unknown, "unknown"),
    ];

    /// The word, as the provider and our tables have it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .into_iter()
            .find(|(status, _)| *status == self)
            .map_or("unknown", |(_, word)| word)
    }

    /// What a word stands for.
    pub fn parse(word: &str) -> Self {
        Self::WORDS
            .into_iter()
            .find(|(_, known)| *known == word)
            .map_or(Self::Unknown, |(status, _)| status)
    }

    /// Whether a namespace may be had for it.
    pub fn is_paid(self) -> bool {
        matches!(self, Self::Active | Self::Trialing | Self::Free)
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// A bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Its number, once it is final.
    pub number: Option<String>,
    /// What it bills.
    pub subscription: Option<SubscriptionId>,
    /// `draft`, `open`, `paid`, `void`, `uncollectible`.
    pub status: String,
    /// What is asked for.
    pub total: Money,
    /// What was taken.
    pub paid: Money,
    /// The payment that took it.
    pub payment: Option<PaymentId>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct NewRefund<'a> {
    /// Stands in the provider's metadata.
    pub attempt: AttemptId,
    /// All of this payment.
    pub payment: &'a PaymentId,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// How much.
    pub amount: Money,
    /// Of which payment.
    pub payment: PaymentId,
    /// When.
    pub created_at: OffsetDateTime,
    /// Whether it went through, as far as is known: one that failed gives nothing back.
    pub stands: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_keeps_its_word() {
        for (status, word) in SubscriptionStatus::WORDS {
            assert_eq!((status.as_str(), SubscriptionStatus::parse(word)), (word, status));
        }
        assert_eq!(SubscriptionStatus::parse("superseded"), SubscriptionStatus::Unknown);
    }

    #[test]
    fn a_key_is_visible_text_of_a_sane_length() {
        assert!(Key::new("signup:1").is_some());
        for bad in ["", "a b", "a\nb", &"x".repeat(256)] {
            assert_eq!(Key::new(bad), None);
        }
    }
}
