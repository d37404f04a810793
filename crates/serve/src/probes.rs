//! What machines ask the operators' door, beside its rpcs. The door is made of this list, and the isolation suite goes
//! through it.

/// A question that takes no token: the door is on a loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process answers at all.
    Live,
    /// Whether everything that it needs answers.
    Ready,
    /// How it fares, in OpenMetrics text.
    Metrics,
}

impl Probe {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Ready, Self::Metrics];

    /// Where it is asked.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Live => "/livez",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
        }
    }
}
