//! The first day of two customers: what `make demo` shows.

use micro_e2e::{
    greeter::git_address,
    platform::{Options, Platform},
    walk::Walk,
};

#[test]
fn the_first_day_of_two_customers() -> anyhow::Result<()> {
    let env = vec![("MICRO_BUILD_EGRESS".to_owned(), git_address())];
    let mut platform = Platform::start(Options { env })?;
    Walk::over(&mut platform, |step| {
        eprintln!("{:>8} ms  {}", step.took.as_millis(), step.what)
    })
    .all()?;
    Ok(())
}
