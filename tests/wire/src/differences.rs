//! The listed differences: each must be one, and no other may be.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// `differences.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Of our server from the recorded one.
    pub server: Vec<Difference>,
    /// Of our command line from the recorded one.
    pub commands: Vec<Difference>,
}

/// One difference, wherever it shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Number of the command, and for the server's the path: `9 /registry.Registry/ListServices`.
    pub at: Vec<String>,
    /// What differs there.
    pub what: Vec<String>,
    /// Why ours is as it is.
    pub reason: String,
}

/// What was found: place and thing, and the two sides of it as text.
pub type Found = BTreeMap<(String, String), String>;

/// Reads the table.
pub fn table() -> Table {
    toml::from_str(include_str!("../differences.toml")).expect("the table is as described")
}

/// Everything that is wrong with what was found: differences not listed, and listed ones that are none.
pub fn unexpected(found: &Found, listed: &[Difference]) -> Vec<String> {
    let expected: BTreeSet<(String, String)> = listed
        .iter()
        .flat_map(|d| {
            d.at.iter()
                .flat_map(|at| d.what.iter().map(|what| (at.clone(), what.clone())))
        })
        .collect();
    let unlisted = found
        .iter()
        .filter(|(place, _)| !expected.contains(*place))
        .map(|((at, what), sides)| format!("not listed: {at}: {what}\n{sides}"));
    let stale = expected
        .iter()
        .filter(|place| !found.contains_key(*place))
        .map(|(at, what)| format!("listed, but no difference any more: {at}: {what}"));
    let unexplained = listed
        .iter()
        .filter(|d| d.reason.trim().is_empty())
        .map(|d| format!("without a reason: {:?}", d.at));
    unlisted.chain(stale).chain(unexplained).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_and_what_is_no_more_are_both_wrong() {
        let listed = [Difference {
            at: vec!["1".into(), "2".into()],
            what: vec!["stdout".into()],
            reason: "because".into(),
        }];
        let found = |places: &[&str]| -> Found {
            let of = |at: &&str| ((String::from(*at), "stdout".to_owned()), String::new());
            places.iter().map(of).collect()
        };
        assert_eq!(unexpected(&found(&["1", "2"]), &listed), Vec::<String>::new());
        assert_eq!(unexpected(&found(&["1", "2", "3"]), &listed).len(), 1);
        assert_eq!(unexpected(&found(&["1"]), &listed).len(), 1);
    }
}
