//! How a call to the provider can fail: what matters is what is known afterwards.

/// A call that did not succeed. No variant carries an address, a card or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentsError {
    /// The card said no. Definite: nothing was charged, and this try is over.
    #[error("the card was declined ({code})")]
    Declined {
        /// For the card's holder.
        reason: String,
        /// Stable: `insufficient_funds`, `authentication_required`, …
        code: String,
    },
    /// The provider refused the request. Definite: nothing was done, and the same request will not do better.
    #[error("the payment provider refused the request: {status} {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable: `resource_missing`, …
        code: String,
    },
    /// Nobody knows whether it was done: no reply, half a reply, or the provider's own failure. To be read back
    /// by list, and asked again under the same key only.
    #[error("it is not known whether the payment provider did it: {cause}")]
    Unknown {
        /// For the log.
        cause: String,
    },
}

impl PaymentsError {
    /// Whether the provider says that the thing is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "resource_missing")
    }
}
