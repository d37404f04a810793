//! The house's walls: which package may lean on which. Read from `cargo metadata`, so that no list goes stale.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each workspace package with its folder (`services/auth`) and what it depends on outside of tests.
fn packages() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .expect("cargo metadata");
    let root = metadata.workspace_root.clone();
    metadata
        .workspace_packages()
        .into_iter()
        .map(|p| {
            let folder = p
                .manifest_path
                .parent()
                .expect("a folder")
                .strip_prefix(&root)
                .expect("inside");
            let normal = p.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
            (
                p.name.to_string(),
                (folder.to_string(), normal.map(|d| d.name.clone()).collect()),
            )
        })
        .collect()
}

/// Every (package, dependency) for which `forbidden(folder of package, dependency, folder of dependency)` holds.
fn breaches(forbidden: impl Fn(&str, &str, &str) -> bool) -> Vec<String> {
    let packages = packages();
    let folder_of = |name: &str| packages.get(name).map(|(f, _)| f.as_str()).unwrap_or("outside");
    let mut found = vec![];
    for (name, (folder, dependencies)) in &packages {
        for dependency in dependencies {
            if forbidden(folder, dependency, folder_of(dependency)) {
                found.push(format!("{name} -> {dependency}"));
            }
        }
    }
    found
}

const NONE: Vec<String> = vec![];

#[test]
fn a_service_never_depends_on_another_service() {
    assert_eq!(
        breaches(|from, _, to| from.starts_with("services/") && to.starts_with("services/")),
        NONE
    );
}

#[test]
fn libraries_know_no_service_and_no_program() {
    let above = |to: &str| to.starts_with("services/") || to.starts_with("cli/");
    assert_eq!(breaches(|from, _, to| from.starts_with("crates/") && above(to)), NONE);
}

#[test]
fn only_the_micro_binary_sees_the_services() {
    let allowed = ["cli/micro"];
    assert_eq!(
        breaches(|from, _, to| to.starts_with("services/") && !allowed.contains(&from)),
        NONE
    );
}

#[test]
fn core_knows_nothing_of_money() {
    let core = [
        "auth", "registry", "runtime", "gateway", "store", "config", "broker", "events",
    ];
    let is_core = |from: &str| core.iter().any(|c| from == format!("services/{c}"));
    let platform = ["crates/payments", "crates/mail"];
    assert_eq!(breaches(|from, _, to| is_core(from) && platform.contains(&to)), NONE);
}

#[test]
fn stripe_is_named_in_one_place() {
    assert_eq!(
        breaches(|from, what, _| what.starts_with("async-stripe") && from != "crates/payments"),
        NONE
    );
}

#[test]
fn doors_hold_no_database_handle() {
    let doors = [
        "services/gateway",
        "services/web",
        "cli/admin",
        "crates/client",
        "crates/rpc",
    ];
    let databases = ["sqlx", "tokio-postgres", "redb", "micro-storage"];
    assert_eq!(
        breaches(|from, what, _| doors.contains(&from) && databases.contains(&what)),
        NONE
    );
}

#[test]
fn test_parts_stay_in_tests() {
    let test_only = |what: &str, to: &str| what == "micro-testkit" || to.starts_with("tests/");
    assert_eq!(
        breaches(|from, what, to| test_only(what, to) && !from.starts_with("tests/")),
        NONE
    );
}

#[test]
fn nothing_comes_from_outside_the_registry() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .expect("cargo metadata");
    let strange = metadata
        .packages
        .iter()
        .filter(|p| p.source.as_ref().is_some_and(|s| !s.is_crates_io()));
    assert_eq!(strange.map(|p| p.name.to_string()).collect::<Vec<_>>(), NONE);
}
