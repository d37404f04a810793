//! Webhooks come late, last first and three times over: the customer pays each month once all the same.

use std::time::Duration;

use anyhow::{Result, ensure};
use micro_e2e::{
    operator::Operator,
    platform::{Options, Platform},
    signup::{Customer, GOOD_CARD, sign_up},
    stripe::Books,
};

const A_MONTH_AND_A_DAY: Duration = Duration::from_secs(32 * 24 * 60 * 60);

fn is_active(platform: &Platform, ada: &Customer) -> Result<()> {
    let shown = Operator::logged_in(platform)?.ask(&["customers", "show", &ada.email])?;
    ensure!(
        shown["subscription_status"] == "active" && shown["namespace"] == ada.namespace.as_str(),
        "{shown}"
    );
    platform.books_are_sound()
}

/// What was held back goes out in the worst order.
fn let_them_come(platform: &Platform) -> Result<()> {
    platform.webhooks_go_out(false, true, 2)?;
    platform.webhooks_arrive()
}

#[test]
fn late_reversed_and_repeated_webhooks_charge_nobody_twice() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    platform.webhooks_go_out(true, false, 0)?;
    let home = platform.home()?;
    let ada = sign_up(&mut platform, home, "ada@example.com", &[GOOD_CARD])?;
    let_them_come(&platform)?;
    let first_month = Books::default().and_a_month();
    ensure!(platform.books()? == first_month, "{:?}", platform.books()?);
    is_active(&platform, &ada)?;

    platform.webhooks_go_out(true, false, 0)?;
    platform.interrupt()?;
    platform.go_on_by(A_MONTH_AND_A_DAY)?;
    platform.boot()?;
    let_them_come(&platform)?;
    let renewed = Books {
        live: 1,
        ..first_month.and_a_month()
    };
    ensure!(platform.books()? == renewed, "{:?}", platform.books()?);
    is_active(&platform, &ada)?;
    let home = platform.home()?;
    home.run(&["login", "--email", &ada.email, "--password", &ada.password])?
        .ok()?;
    home.run(&["services"])?.ok()?;
    Ok(())
}
