//! The reference's lists, and the tests that show each of their rows.

use std::path::Path;

use serde::Deserialize;

/// `reference.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// reference/micro-wire §11.
    pub checklist: Vec<Row>,
    /// reference/micro-wire §10.
    pub fault: Vec<Row>,
}

/// One row of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its number there.
    pub no: usize,
    /// What it says, in short.
    pub what: String,
    /// The tests that show that it holds: `services/store/tests/it/blobs.rs::a_blob_…`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why there is none: what is missing.
    pub not_yet: Option<String>,
    /// Why there is none: it is nothing of ours.
    pub not_ours: Option<String>,
}

/// Reads the lists.
pub fn reference() -> Reference {
    toml::from_str(include_str!("../reference.toml")).expect("the lists are as described")
}

impl Row {
    /// What is wrong with the row, looked at from the repository's root.
    pub fn faults(&self, root: &Path) -> Vec<String> {
        let excused = usize::from(self.not_yet.is_some()) + usize::from(self.not_ours.is_some());
        let shown = usize::from(!self.tests.is_empty());
        let mut faults = Vec::new();
        if excused + shown != 1 {
            faults.push(format!("{}: has tests, or one reason for having none", self.no));
        }
        let missing = self.tests.iter().filter(|test| !is_there(root, test));
        faults.extend(missing.map(|test| format!("{}: there is no test {test}", self.no)));
        faults
    }
}

/// Whether the file has a test of that name.
fn is_there(root: &Path, test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else {
        return false;
    };
    let Ok(code) = std::fs::read_to_string(root.join(file)) else {
        return false;
    };
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    let at = lines.iter().position(|line| line.contains(&head));
    let is_attribute = |line: &&str| line.starts_with("#[") && line.contains("test");
    at.is_some_and(|at| {
        lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#["))
            .any(is_attribute)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_tests_that_are_there_or_a_reason() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let row = |tests: &[&str], not_yet: Option<&str>| Row {
            no: 1,
            what: String::new(),
            tests: tests.iter().map(|t| (*t).to_owned()).collect(),
            not_yet: not_yet.map(str::to_owned),
            not_ours: None,
        };
        let this = "tests/wire/src/reference.rs::a_row_has_tests_that_are_there_or_a_reason";
        assert!(row(&[this], None).faults(&root).is_empty());
        assert!(row(&[], Some("later")).faults(&root).is_empty());
        assert_eq!(
            row(&["tests/wire/src/reference.rs::is_there"], None)
                .faults(&root)
                .len(),
            1
        );
        assert_eq!(row(&[], None).faults(&root).len(), 1);
        assert_eq!(row(&[this], Some("later")).faults(&root).len(), 1);
    }
}
