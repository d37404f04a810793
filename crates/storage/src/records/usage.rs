//! What a namespace keeps in its own databases, and how much it may. Every back end keeps the count in the transaction
//! that changes the records.

use micro_domain::{Limit, Limits};
use micro_tenancy::LimitReached;

use super::Key;

/// What a namespace keeps in its own databases; core's records are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Records.
    pub keys: u64,
    /// Bytes of their databases', tables' and keys' names, and of their values.
    pub bytes: u64,
}

/// How much each namespace may keep in its own databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Records.
    pub keys: Limit,
    /// Their bytes.
    pub bytes: Limit,
}

impl Quota {
    /// What a plan allows.
    pub const fn of(limits: &Limits) -> Self {
        Self {
            keys: limits.records,
            bytes: limits.records_bytes,
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::of(&Limits::DEVELOPER)
    }
}

/// What a batch adds to what is kept, or takes away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    keys: i64,
    bytes: i64,
}

impl Change {
    /// One key whose stored value of so many bytes gives way to another.
    pub fn replace(&mut self, key: &Key, old: Option<usize>, new: Option<usize>) {
        if key.is_core() {
            return;
        }
        let size = |value: usize| (key.size() + value) as i64;
        self.keys += i64::from(new.is_some()) - i64::from(old.is_some());
        self.bytes += new.map_or(0, size) - old.map_or(0, size);
    }

    /// What is kept with the change made. Only what grows is refused: whoever has too much can always remove some.
    pub fn within(self, quota: &Quota, usage: Usage) -> Result<Usage, LimitReached> {
        let keys = usage.keys.saturating_add_signed(self.keys);
        let bytes = usage.bytes.saturating_add_signed(self.bytes);
        if self.keys > 0 && keys > quota.keys.max {
            return Err(LimitReached::new(quota.keys, usage.keys));
        }
        if self.bytes > 0 && bytes > quota.bytes.max {
            return Err(LimitReached::new(quota.bytes, usage.bytes));
        }
        Ok(Usage { keys, bytes })
    }

    /// What is kept once what has expired is gone.
    pub fn given_back(self, usage: Usage) -> Usage {
        Usage {
            keys: usage.keys.saturating_add_signed(self.keys),
            bytes: usage.bytes.saturating_add_signed(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_is_refused() {
        let quota = Quota {
            keys: Limit {
                name: "records",
                max: 2,
            },
            bytes: Limit {
                name: "records.bytes",
                max: 10,
            },
        };
        let over = Usage { keys: 3, bytes: 11 };
        let change = |old, new| {
            let mut change = Change::default();
            change.replace(&Key::tenant("d", "t", "k").expect("plain"), old, new);
            change
        };
        assert_eq!(
            change(Some(5), None).within(&quota, over),
            Ok(Usage { keys: 2, bytes: 3 })
        );
        assert_eq!(change(Some(5), Some(5)).within(&quota, over), Ok(over));
        let reached = change(None, Some(0)).within(&quota, over).expect_err("one more");
        assert_eq!(reached, LimitReached::new(quota.keys, 3));
        let reached = change(Some(5), Some(6)).within(&quota, over).expect_err("bigger");
        assert_eq!(reached, LimitReached::new(quota.bytes, 11));
    }

    #[test]
    fn cores_records_do_not_count() {
        let mut change = Change::default();
        change.replace(&Key::core("auth/accounts", "ada"), None, Some(7));
        assert_eq!(change.given_back(Usage::default()), Usage::default());
    }
}
