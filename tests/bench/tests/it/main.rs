//! The harness runs: one group that needs nothing but memory, in its smallest form.

use std::time::Duration;

use micro_bench::{
    harness::{Machine, Report, Settings, Verdict},
    rows::GROUPS,
};

#[tokio::test]
async fn a_group_is_measured_and_judged() {
    let settings = Settings {
        rounds: 2,
        length: Duration::from_millis(5),
        quick: true,
        micro: "micro".into(),
        envoy: None,
        dir: std::env::temp_dir(),
    };
    let authorise = GROUPS.iter().find(|group| group.name == "authorise").expect("a group");
    let rows = authorise.run(&settings).await;
    let judged: Vec<Verdict> = rows.iter().map(micro_bench::harness::Row::verdict).collect();
    assert_eq!(judged.len(), 5, "{rows:#?}");
    // How fast it is unoptimised says nothing; that nothing is allocated does.
    assert_eq!((judged[1], judged[3]), (Verdict::Met, Verdict::Met), "{rows:#?}");
    assert!(!judged.contains(&Verdict::Failed), "{rows:#?}");
    let report = Report {
        machine: Machine::look(),
        rounds: 2,
        seconds: 0.005,
        rows,
    };
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(5));
    assert!(report.table().contains("authorise"));
}
