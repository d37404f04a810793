//! The table: who may call what. An rpc that has no row here fails the test by its name.

use crate::endpoints::Endpoint;

/// Whom an rpc is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Everybody: people who are on their way in.
    Everybody,
    /// Accounts of the namespace.
    Members,
    /// Accounts that may change things in the namespace.
    Admins,
    /// The platform itself. At a door it does not exist.
    Nobody(Missing),
}

/// What of a path that leads nowhere is unknown: an internal rpc must look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No such service.
    Service,
    /// A service without such a handler.
    Handler,
    /// A handler without such a method.
    Method,
}

use For::{Admins, Everybody, Members, Nobody};
use Missing::{Handler, Method, Service};

/// A handler's rpcs, and whom they are for.
type Row = (&'static str, &'static [&'static str], For);

const ROWS: &[Row] = &[
    ("auth.Auth", &["Generate"], Admins),
    ("auth.Auth", &["Inspect", "Token"], Everybody),
    ("auth.Accounts", &["List", "Delete"], Admins),
    // Of one's own account; the old secret is asked for.
    ("auth.Accounts", &["ChangeSecret"], Members),
    ("auth.Rules", &["Create", "Delete"], Admins),
    ("auth.Rules", &["List"], Members),
    ("auth.Usage", &["Read"], Members),
    ("auth.Sessions", &["End"], Everybody),
    ("auth.Sessions", &["Start", "Seal", "Ensure"], Nobody(Method)),
    (
        "billing.Billing",
        &["StartCheckout", "ReadCheckout", "Subscribe", "Refund", "Read"],
        Nobody(Service),
    ),
    ("broker.Broker", &["Publish", "Subscribe"], Members),
    ("config.Config", &["Get", "Set", "Delete", "Read"], Admins),
    ("config.Watcher", &["Watch"], Admins),
    ("events.Stream", &["Publish", "Consume"], Admins),
    ("events.Store", &["Read", "Write"], Admins),
    (
        "events.Groups",
        &["List", "Seek", "Delete", "DeadLetters", "Replay"],
        Admins,
    ),
    ("events.Topics", &["List", "Delete"], Admins),
    (
        "namespaces.Namespaces",
        &["Reserve", "Provision", "Release", "Get", "List"],
        Nobody(Service),
    ),
    (
        "namespaces.Identities",
        &["Find", "Put", "Remove", "List"],
        Nobody(Service),
    ),
    (
        "network.Network",
        &["Connect", "Graph", "Nodes", "Routes", "Services", "Status"],
        Members,
    ),
    ("operators.Operators", &["Login"], Nobody(Service)),
    ("operators.Customers", &["List", "Show"], Nobody(Service)),
    ("operators.Namespaces", &["List", "Show"], Nobody(Service)),
    ("operators.Jobs", &["List", "Retry"], Nobody(Service)),
    ("operators.Secrets", &["Rotate"], Nobody(Service)),
    ("registry.Registry", &["GetService", "ListServices", "Watch"], Members),
    ("registry.Registry", &["Register", "Deregister"], Admins),
    ("runtime.Runtime", &["Create", "Update", "Delete", "Logs"], Admins),
    ("runtime.Runtime", &["Read"], Members),
    ("runtime.Source", &["Upload"], Admins),
    // Builds stay here: it says so to every account.
    ("runtime.Build", &["Read"], Members),
    ("runtime.Releases", &["Watch"], Admins),
    (
        "signup.Signup",
        &[
            "SendVerificationEmail",
            "Verify",
            "SetPaymentMethod",
            "HasPaymentMethod",
            "CompleteSignup",
            "Recover",
        ],
        Everybody,
    ),
    ("signup.Session", &["Start", "Confirm", "Watch", "Complete"], Everybody),
    (
        "signup.Pages",
        &["ReadLink", "StartCheckout", "FinishCheckout", "MailLink"],
        Nobody(Handler),
    ),
    (
        "store.Store",
        &["Read", "Write", "Delete", "List", "Databases", "Tables"],
        Admins,
    ),
    ("store.Records", &["Get", "Update"], Admins),
    ("store.BlobStore", &["Read", "Write", "Delete"], Admins),
    (
        "store.Blobs",
        &["Begin", "Send", "Finish", "Abandon", "Fetch", "List"],
        Admins,
    ),
    ("store.Snapshots", &["Export", "Import"], Admins),
    // Under every service's name.
    ("Debug", &["Health"], Everybody),
    ("Debug", &["Stats", "Log", "Trace"], Members),
];

/// Whom an rpc is for; none where nobody has said so.
pub fn row(endpoint: &Endpoint) -> Option<For> {
    let full = format!("{}.{}", endpoint.service, endpoint.handler);
    ROWS.iter()
        .find(|(handler, methods, _)| {
            (*handler == full || *handler == endpoint.handler) && methods.contains(&endpoint.method.name)
        })
        .map(|row| row.2)
}

/// Rows that no rpc has any more.
pub fn left_over(endpoints: &[Endpoint]) -> Vec<String> {
    let names: Vec<_> = endpoints.iter().map(Endpoint::name).collect();
    let rows = ROWS
        .iter()
        .flat_map(|(handler, methods, _)| methods.iter().map(move |m| format!("{handler}/{m}")));
    rows.filter(|row| !names.iter().any(|n| n == row || n.ends_with(&format!(".{row}"))))
        .collect()
}
