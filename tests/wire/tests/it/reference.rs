//! Each row of the reference's lists has its tests, or says why it has none.

use std::path::Path;

use micro_wire::reference::{Row, reference};

#[test]
fn every_row_of_the_reference_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lists = reference();
    for (list, rows) in [(&lists.checklist, 10), (&lists.fault, 64)] {
        let numbers: Vec<_> = list.iter().map(|row| row.no).collect();
        assert_eq!(numbers, (1..=rows).collect::<Vec<_>>());
    }
    let all = || lists.checklist.iter().chain(&lists.fault);
    let faults: Vec<_> = all().flat_map(|row| row.faults(&root)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let open = all().filter(|row: &&Row| row.not_yet.is_some());
    for row in open {
        println!(
            "not yet: {} {}: {}",
            row.no,
            row.what,
            row.not_yet.as_deref().unwrap_or_default()
        );
    }
}
