//! The table and the proto files agree.

use micro_isolation::{endpoints, rows};

#[test]
fn every_rpc_has_a_row() {
    let endpoints = endpoints::all();
    let without: Vec<_> = endpoints
        .iter()
        .filter(|e| rows::row(e).is_none())
        .map(|e| e.name())
        .collect();
    assert!(
        without.is_empty(),
        "rpcs without a row in tests/isolation/src/rows.rs: {without:#?}"
    );
    let left_over = rows::left_over(&endpoints);
    assert!(left_over.is_empty(), "rows without an rpc: {left_over:#?}");
}
