//! Test cards as data: what each number, `pm_card_…` and `tok_…` does. Numbers are matched and forgotten.

use serde::{Deserialize, Serialize};

/// How a card behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Works.
    Good,
    /// Refused as soon as it is stored.
    RefusedAtOnce(Decline),
    /// Can be stored; each charge is refused.
    RefusedLater,
    /// Asks for 3-D Secure once, when it is stored; from then on works without the customer.
    AuthenticateOnce,
    /// Asks for 3-D Secure every time.
    AuthenticateAlways,
}

/// Why a card is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    Generic,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    VelocityExceeded,
}

impl Decline {
    /// Stripe's code, its `decline_code`, and what it tells the customer.
    pub const fn words(self) -> (&'static str, Option<&'static str>, &'static str) {
        match self {
            Self::Generic => ("card_declined", Some("generic_decline"), "Your card was declined."),
            Self::InsufficientFunds => (
                "card_declined",
                Some("insufficient_funds"),
                "Your card has insufficient funds.",
            ),
            Self::LostCard => ("card_declined", Some("lost_card"), "Your card was declined."),
            Self::StolenCard => ("card_declined", Some("stolen_card"), "Your card was declined."),
            Self::ExpiredCard => ("expired_card", None, "Your card has expired."),
            Self::IncorrectCvc => ("incorrect_cvc", None, "Your card's security code is incorrect."),
            Self::ProcessingError => (
                "processing_error",
                None,
                "An error occurred while processing your card. Try again in a little bit.",
            ),
            Self::VelocityExceeded => (
                "card_declined",
                Some("card_velocity_exceeded"),
                "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
            ),
        }
    }
}

/// A card we know: the only thing kept of a number is `last4` and how it behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub last4: String,
    pub brand: String,
    pub funding: String,
    pub behaviour: Behaviour,
}

struct Row(
    &'static str,
    &'static str,
    &'static str,
    Behaviour,
    &'static [&'static str],
);

use Behaviour::{AuthenticateAlways, AuthenticateOnce, Good, RefusedAtOnce, RefusedLater};

/// Number, brand, funding, behaviour, and the names (`pm_card_NAME`, `tok_NAME`) that stand for it.
const CARDS: &[Row] = &[
    Row("4242424242424242", "visa", "credit", Good, &["visa"]),
    Row("4000056655665556", "visa", "debit", Good, &["visa_debit"]),
    Row("5555555555554444", "mastercard", "credit", Good, &["mastercard"]),
    Row("378282246310005", "amex", "credit", Good, &["amex"]),
    Row(
        "4000000000000002",
        "visa",
        "credit",
        RefusedAtOnce(Decline::Generic),
        &["visa_chargeDeclined", "chargeDeclined"],
    ),
    Row(
        "4000000000009995",
        "visa",
        "credit",
        RefusedAtOnce(Decline::InsufficientFunds),
        &[
            "visa_chargeDeclinedInsufficientFunds",
            "chargeDeclinedInsufficientFunds",
        ],
    ),
    Row(
        "4000000000009987",
        "visa",
        "credit",
        RefusedAtOnce(Decline::LostCard),
        &["visa_chargeDeclinedLostCard"],
    ),
    Row(
        "4000000000009979",
        "visa",
        "credit",
        RefusedAtOnce(Decline::StolenCard),
        &["visa_chargeDeclinedStolenCard"],
    ),
    Row(
        "4000000000000069",
        "visa",
        "credit",
        RefusedAtOnce(Decline::ExpiredCard),
        &["chargeDeclinedExpiredCard"],
    ),
    Row(
        "4000000000000127",
        "visa",
        "credit",
        RefusedAtOnce(Decline::IncorrectCvc),
        &["chargeDeclinedIncorrectCvc"],
    ),
    Row(
        "4000000000000119",
        "visa",
        "credit",
        RefusedAtOnce(Decline::ProcessingError),
        &["chargeDeclinedProcessingError"],
    ),
    Row(
        "4000000000006975",
        "visa",
        "credit",
        RefusedAtOnce(Decline::VelocityExceeded),
        &["visa_chargeDeclinedVelocityLimitExceeded"],
    ),
    Row(
        "4000000000000341",
        "visa",
        "credit",
        RefusedLater,
        &["chargeCustomerFail"],
    ),
    Row(
        "4000002500003155",
        "visa",
        "credit",
        AuthenticateOnce,
        &["authenticationRequiredOnSetup"],
    ),
    Row(
        "4000000000003220",
        "visa",
        "credit",
        AuthenticateOnce,
        &["threeDSecure2Required"],
    ),
    Row(
        "4000003800000446",
        "visa",
        "credit",
        AuthenticateOnce,
        &["authenticationRequiredSetupForOffSession"],
    ),
    Row(
        "4000002760003184",
        "visa",
        "credit",
        AuthenticateAlways,
        &["authenticationRequired"],
    ),
];

impl Row {
    fn card(&self) -> Card {
        let Self(number, brand, funding, behaviour, _) = self;
        Card {
            last4: number[number.len() - 4..].into(),
            brand: (*brand).into(),
            funding: (*funding).into(),
            behaviour: *behaviour,
        }
    }
}

/// The card with this number, spaces allowed.
pub fn by_number(typed: &str) -> Option<Card> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    CARDS.iter().find(|row| row.0 == digits).map(Row::card)
}

/// The card that `pm_card_NAME` or `tok_NAME` stands for.
pub fn by_name(id: &str) -> Option<Card> {
    let name = id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?;
    CARDS.iter().find(|row| row.4.contains(&name)).map(Row::card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_find_their_card() {
        assert_eq!(by_number("4242 4242 4242 4242").expect("visa").last4, "4242");
        assert_eq!(by_name("pm_card_visa"), by_name("tok_visa"));
        assert_eq!(
            by_number("4000000000009995").expect("poor").behaviour,
            RefusedAtOnce(Decline::InsufficientFunds)
        );
        assert_eq!(by_number("1234123412341234"), None);
    }

    #[test]
    fn every_number_passes_the_check_digit() {
        for Row(number, ..) in CARDS {
            let sum: u32 = number
                .bytes()
                .rev()
                .enumerate()
                .map(|(i, b)| {
                    let digit = u32::from(b - b'0') * if i % 2 == 1 { 2 } else { 1 };
                    digit / 10 + digit % 10
                })
                .sum();
            assert_eq!(sum % 10, 0, "{number}");
        }
    }
}
