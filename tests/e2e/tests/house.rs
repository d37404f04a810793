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
    // The isolation suite goes through the lists of addresses that these doors are built from.
    let doors = ["services/gateway", "services/web"];
    let allowed = |from: &str, to: &str| from == "cli/micro" || (from == "tests/isolation" && doors.contains(&to));
    assert_eq!(
        breaches(|from, _, to| to.starts_with("services/") && !allowed(from, to)),
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

/// Where each limit of a plan is tested at its edge: as much passes, one more is refused and changes nothing.
const EDGES: &[(&str, &str, &str)] = &[
    (
        "accounts",
        "services/auth/tests/it/limits.rs",
        "accounts_to_the_limit_and_not_one_more",
    ),
    (
        "rules",
        "services/auth/tests/it/limits.rs",
        "rules_to_the_limit_and_not_one_more",
    ),
    (
        "services",
        "services/runtime/tests/it/services.rs",
        "the_number_of_services_is_bounded",
    ),
    (
        "records",
        "crates/storage/tests/it/records.rs",
        "a_quota_is_kept_to_the_byte",
    ),
    (
        "records.bytes",
        "crates/storage/tests/it/records.rs",
        "a_quota_is_kept_to_the_byte",
    ),
    (
        "value.bytes",
        "services/store/tests/it/records.rs",
        "what_cannot_be_stored_is_refused_in_words",
    ),
    (
        "blobs.bytes",
        "services/store/tests/it/blobs.rs",
        "a_namespace_keeps_no_more_than_it_may",
    ),
    (
        "config.bytes",
        "services/config/tests/it/limits.rs",
        "bytes_to_the_limit_and_not_one_more",
    ),
    (
        "topics",
        "services/events/tests/it/topics.rs",
        "as_many_as_allowed_however_many_begin_at_once",
    ),
    (
        "topic.bytes",
        "services/events/tests/it/retention.rs",
        "a_topic_keeps_at_least_its_limit_and_not_much_more",
    ),
    (
        "message.bytes",
        "services/events/tests/it/doors.rs",
        "limits_are_exact_and_named",
    ),
    (
        "groups",
        "services/events/tests/it/groups.rs",
        "a_namespace_has_so_many_groups_and_no_more",
    ),
    (
        "events.per_second",
        "services/events/tests/it/rates.rs",
        "a_burst_of_ten_seconds_passes_and_one_more_is_refused_and_changes_nothing",
    ),
    (
        "subscribers",
        "services/broker/tests/it/doors.rs",
        "limits_are_exact_and_named_and_seats_are_given_back",
    ),
    (
        "watchers",
        "services/config/tests/it/limits.rs",
        "watchers_to_the_limit_and_not_one_more",
    ),
    (
        "registrations",
        "services/registry/tests/it/limits.rs",
        "a_namespace_registers_so_many_versions_and_no_more",
    ),
    (
        "nodes",
        "services/registry/tests/it/limits.rs",
        "a_namespace_has_so_many_nodes_and_no_more",
    ),
    (
        "registration.bytes",
        "services/registry/tests/it/limits.rs",
        "a_registration_is_so_large_and_no_larger",
    ),
    (
        "endpoints",
        "services/registry/tests/it/limits.rs",
        "a_registration_has_so_many_endpoints_and_no_more",
    ),
    (
        "requests.per_second",
        "services/gateway/tests/it/bounds.rs",
        "a_namespace_has_so_many_requests_a_second_averaged_over_ten",
    ),
    (
        "requests.in_flight",
        "services/gateway/tests/it/bounds.rs",
        "a_namespace_has_so_many_requests_in_flight_and_no_more",
    ),
    (
        "connections",
        "services/gateway/tests/it/bounds.rs",
        "an_instances_door_holds_so_many_connections",
    ),
    (
        "body.bytes",
        "services/gateway/tests/it/api.rs",
        "a_body_may_be_as_long_as_the_limit_and_no_longer",
    ),
    (
        "upload.bytes",
        "services/runtime/tests/it/limits.rs",
        "a_source_unpacks_to_so_many_bytes_and_files_and_no_more",
    ),
    (
        "upload.entries",
        "services/runtime/tests/it/limits.rs",
        "a_source_unpacks_to_so_many_bytes_and_files_and_no_more",
    ),
    (
        "build.seconds",
        "services/runtime/tests/it/limits.rs",
        "a_build_takes_so_many_seconds_and_no_more",
    ),
    (
        "memory.bytes",
        "crates/sandbox/tests/it/bounds.rs",
        "a_memory_bomb_is_bounded_and_named",
    ),
    ("tasks", "crates/sandbox/tests/it/bounds.rs", "a_fork_bomb_is_bounded"),
    (
        "log.bytes",
        "services/runtime/tests/it/limits.rs",
        "a_log_keeps_so_many_bytes_and_says_what_it_left_out",
    ),
];

#[test]
fn every_limit_of_a_plan_is_tested_at_its_edge() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let all = micro_domain::Limits::DEVELOPER.all();
    let mut faults = vec![];
    for limit in &all {
        let edges: Vec<_> = EDGES.iter().filter(|(name, ..)| *name == limit.name).collect();
        if edges.is_empty() {
            faults.push(format!("{}: no test at its edge is listed", limit.name));
        }
        for (name, file, test) in edges {
            let text = std::fs::read_to_string(format!("{root}{file}")).unwrap_or_default();
            let body = text.split(&format!("fn {test}(")).nth(1).unwrap_or_default();
            let body = body.split("\n}\n").next().unwrap_or_default();
            // By its field, by the name in its error, or by what it counts.
            let (field, counted) = (name.replace('.', "_"), name.rsplit('.').next().unwrap_or(name));
            if ![field.as_str(), name, counted].iter().any(|word| body.contains(word)) {
                faults.push(format!("{name}: {file} has no test {test} that speaks of it"));
            }
        }
    }
    let gone = EDGES
        .iter()
        .filter(|(name, ..)| !all.iter().any(|limit| limit.name == *name));
    faults.extend(gone.map(|(name, ..)| format!("{name}: there is no such limit")));
    assert_eq!(faults, NONE);
}
