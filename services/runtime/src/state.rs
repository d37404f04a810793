//! What was asked for, as it is stored: services with their releases per namespace, and the list of namespaces that
//! have any, each with the uids its processes run as.

use std::collections::BTreeMap;

use micro_domain::{Namespace, NamespaceName};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Micro's status numbers (reference/micro-wire §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, not begun.
    Pending,
    /// Fetching and compiling.
    Building,
    /// Started, not yet registered.
    Starting,
    /// Registered and reachable.
    Running,
    /// Being ended.
    Stopping,
    /// Not wanted.
    Stopped,
    /// Failed; the reason is told.
    Error,
}

impl Status {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Pending => 1,
            Self::Building => 2,
            Self::Starting => 3,
            Self::Running => 4,
            Self::Stopping => 5,
            Self::Stopped => 6,
            Self::Error => 7,
        }
    }

    /// The word for older clients.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Building => "building",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

/// A service within its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceId {
    /// As deployed.
    pub name: String,
    /// `latest`, or a ref.
    pub version: String,
}

/// What somebody wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Which service.
    pub id: ServiceId,
    /// An upload's key or a git address.
    pub source: String,
    /// Whose upload it is: the namespace of the account that uploaded, which on a local server may be another.
    pub source_namespace: Namespace,
    /// The folder of the source that holds the service.
    pub entrypoint: String,
    /// The caller's metadata, such as `source` in its own form.
    pub metadata: BTreeMap<String, String>,
    /// Micro's type: `service` by default.
    pub kind: String,
    /// Overrides the plan's command, if given.
    pub command: Vec<String>,
    /// Appended to the command.
    pub args: Vec<String>,
    /// The user's own variables.
    pub env: Vec<(String, String)>,
    /// Who asked first.
    pub owner: String,
    /// That account's namespace, by name.
    pub group: String,
    /// The release that is wanted.
    pub wanted: u64,
    /// The last release that became healthy; runs until a newer one does.
    pub good: Option<u64>,
    /// When it was asked for, last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// How far a release came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Outcome {
    /// Not built yet.
    Pending,
    /// Built: can be started at any time.
    Built {
        /// SHA-256 of the artifact.
        artifact: String,
        /// What starts it.
        command: Vec<String>,
    },
    /// It never will be.
    Failed {
        /// Why, in Micro's words.
        error: String,
    },
}

/// An artifact with its configuration, numbered within its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// From 1.
    pub number: u64,
    /// The user's own variables, as they were.
    pub env: Vec<(String, String)>,
    /// How far it came.
    pub outcome: Outcome,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A namespace that has services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// Its handles.
    pub namespace: Namespace,
    /// First of its two uids where the server runs as root: the sandbox's own process, then the tenant's.
    pub uid_base: u32,
}

/// Where uids of namespaces begin; each takes [`UIDS`].
pub const FIRST_UID: u32 = 200_000;
/// Uids per namespace: one for the keeper, one for the tenant's processes.
pub const UIDS: u32 = 2;

/// Where records about namespaces lie.
pub fn home() -> Namespace {
    Namespace::of_local(NamespaceName::micro())
}
