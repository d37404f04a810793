//! Money in integer minor units, and what we sell for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// ISO 4217, as far as we charge in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Currency {
    /// United States dollar, two decimals.
    Usd,
}

impl Currency {
    /// The lower-case code that Stripe uses.
    pub fn code(self) -> &'static str {
        match self {
            Self::Usd => "usd",
        }
    }
}

/// An amount: cents and their currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units (cents); negative where money flows back.
    pub cents: i64,
    /// What the cents are of.
    pub currency: Currency,
}

impl Money {
    /// So many United States cents.
    pub const fn usd(cents: i64) -> Self {
        Self {
            cents,
            currency: Currency::Usd,
        }
    }
}

impl fmt::Display for Money {
    /// `$35`, or `$35.50` where there are cents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let (whole, part) = (self.cents.unsigned_abs() / 100, self.cents.unsigned_abs() % 100);
        match part {
            0 => write!(f, "{sign}${whole}"),
            _ => write!(f, "{sign}${whole}.{part:02}"),
        }
    }
}

/// What a namespace is sold as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The one flat price: $35 a month.
    Developer,
}

impl Plan {
    /// The name on pages, invoices and in Stripe's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Developer => "developer",
        }
    }

    /// What a month costs.
    pub fn monthly(self) -> Money {
        match self {
            Self::Developer => Money::usd(3_500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(Plan::Developer.monthly().to_string(), "$35");
        assert_eq!(Money::usd(3_550).to_string(), "$35.50");
        assert_eq!(Money::usd(-5).to_string(), "-$0.05");
    }
}
