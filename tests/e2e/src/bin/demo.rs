//! `make demo`: the whole first day without a person, each step with its milliseconds. Also the end-to-end test.

use micro_e2e::{
    greeter::git_address,
    platform::{Options, Platform},
    walk::{Step, Walk},
};

fn main() -> anyhow::Result<()> {
    let env = vec![("MICRO_BUILD_EGRESS".to_owned(), git_address())];
    let mut platform = Platform::start(Options { env })?;
    let tell = |step: &Step| println!("{:>8} ms  {}", step.took.as_millis(), step.what);
    let steps = Walk::over(&mut platform, tell).all()?;
    let signups: Vec<_> = steps
        .iter()
        .filter(|s| s.what.contains("signs up"))
        .map(|s| s.took.as_millis())
        .collect();
    println!("{} steps; signups took {signups:?} ms", steps.len());
    Ok(())
}
