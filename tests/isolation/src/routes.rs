//! The table of addresses that are no rpcs: the web door's pages. An address without a row fails the test by its name.

use micro_web::{ROUTES, Route};

/// Whom an address tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// Everybody, and all the same.
    Everybody,
    /// Whoever has an attempt's link.
    WithTheLink,
    /// Nobody: whatever address is written into its form, it says the same.
    Nobody,
    /// Whoever is at this machine.
    ThisMachine,
    /// The payment provider, by its signature.
    TheProvider,
}

use Tells::{Everybody, Nobody, TheProvider, ThisMachine, WithTheLink};

const ROWS: &[(&str, &str, Tells)] = &[
    ("GET", "/", Everybody),
    ("GET", "/subscribe", Everybody),
    ("POST", "/subscribe", Nobody),
    ("GET", "/subscribe.html", Everybody),
    ("POST", "/subscribe.html", Nobody),
    ("GET", "/subscribe/{link}", WithTheLink),
    ("POST", "/subscribe/{link}", WithTheLink),
    ("GET", "/subscribe/{link}/return", WithTheLink),
    ("GET", "/static/{name}", Everybody),
    ("GET", "/mailbox", ThisMachine),
    ("GET", "/mailbox.json", ThisMachine),
    ("GET", "/mailbox/{number}", ThisMachine),
    ("GET", "/mailbox/{number}/html", ThisMachine),
    ("POST", "/webhooks/stripe", TheProvider),
];

/// Whom an address tells something; none where nobody has said so.
pub fn row(route: &Route) -> Option<Tells> {
    let found = ROWS
        .iter()
        .find(|(method, path, _)| *method == route.method.as_str() && *path == route.path);
    found.map(|row| row.2)
}

/// Rows that no address has any more.
pub fn left_over() -> Vec<String> {
    let is_there = |(method, path): (&str, &str)| ROUTES.iter().any(|r| r.method.as_str() == method && r.path == path);
    let gone = ROWS.iter().filter(|(method, path, _)| !is_there((method, path)));
    gone.map(|(method, path, _)| format!("{method} {path}")).collect()
}
