//! Where an attempt is on its way from an address to a namespace.

/// `started → verified → payment_pending → card_stored → paying → provisioning → ready`, or an end on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A code is on its way.
    Started,
    /// The address is proven, and nothing has to be paid.
    Verified,
    /// The address is proven; the subscribe page waits for a card.
    PaymentPending,
    /// The card is stored; the terminal goes on.
    CardStored,
    /// The money is being taken.
    Paying,
    /// Paid; account and walls are being made.
    Provisioning,
    /// There is a namespace.
    Ready,
    /// Nobody went on in time. Nothing was charged.
    Expired,
    /// Paid, not ready in time, and given back.
    Refunded,
    /// Not ready in time; there was nothing to give back.
    Failed,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Started,
        Self::Verified,
        Self::PaymentPending,
        Self::CardStored,
        Self::Paying,
        Self::Provisioning,
        Self::Ready,
        Self::Expired,
        Self::Refunded,
        Self::Failed,
    ];

    /// The word in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Verified => "verified",
            Self::PaymentPending => "payment_pending",
            Self::CardStored => "card_stored",
            Self::Paying => "paying",
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Expired | Self::Refunded | Self::Failed)
    }

    /// The address is proven and the person may still turn back.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Verified | Self::PaymentPending | Self::CardStored)
    }

    /// The saga has it.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Paying | Self::Provisioning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_reads_back_and_each_state_is_of_one_kind() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
            let kinds = [
                state == State::Started,
                state.is_waiting(),
                state.is_under_way(),
                state.is_final(),
            ];
            assert_eq!(kinds.iter().filter(|is| **is).count(), 1, "{state:?}");
        }
        assert_eq!(State::parse("paid"), None);
    }
}
