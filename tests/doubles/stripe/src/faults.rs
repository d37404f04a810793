//! Failures on demand: the next calls of an operation fail in a chosen way.

use serde::{Deserialize, Serialize};

/// In what way a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 500, nothing done; the key is still free.
    ServerError,
    /// 500 although it was done; the key keeps the 500.
    ServerErrorAfterCommit,
    /// 429, nothing done.
    RateLimit,
    /// Done, but the connection breaks before the answer.
    DropAfterCommit,
    /// Done, but the answer never comes.
    HangAfterCommit,
    /// Waits before doing anything until `POST /_double/release`; the key is in use meanwhile.
    Stall,
}

/// One order: the next `times` calls of `operation` fail so.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `subscriptions.create`, or `*` for each.
    pub operation: String,
    pub kind: Kind,
    #[serde(default = "once")]
    pub times: u32,
    /// Calls of the operation to let through first.
    #[serde(default)]
    pub after: u32,
}

fn once() -> u32 {
    1
}

/// The orders that stand.
#[derive(Debug, Default)]
pub struct Faults {
    pub orders: Vec<Fault>,
    /// Calls waiting in [`Kind::Stall`].
    pub stalled: u32,
}

impl Faults {
    /// What happens to this call, if anything.
    pub fn take(&mut self, operation: &str) -> Option<Kind> {
        let matching = |f: &&mut Fault| f.operation == operation || f.operation == "*";
        let order = self.orders.iter_mut().find(matching)?;
        if order.after > 0 {
            order.after -= 1;
            return None;
        }
        order.times = order.times.saturating_sub(1);
        let kind = order.kind;
        self.orders.retain(|f| f.times > 0);
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_lets_some_through_and_ends() {
        let order = Fault {
            operation: "a".into(),
            kind: Kind::RateLimit,
            times: 2,
            after: 1,
        };
        let mut faults = Faults {
            orders: vec![order],
            stalled: 0,
        };
        assert_eq!(faults.take("b"), None);
        let got: Vec<_> = (0..4).map(|_| faults.take("a")).collect();
        assert_eq!(got, [None, Some(Kind::RateLimit), Some(Kind::RateLimit), None]);
    }
}
