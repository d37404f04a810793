//! Every limit a plan sets, with its name and default: one table.

/// One limit: what it bounds, what it is called in errors, and how much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Stable name, said in errors and by `micro account usage` (`upload.bytes`).
    pub name: &'static str,
    /// The most that is allowed, in the unit the name ends with.
    pub max: u64,
}

/// The limits of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one source upload, unpacked.
    pub upload_bytes: Limit,
    /// Files and folders of one source upload.
    pub upload_entries: Limit,
    /// Services that may run at once.
    pub services: Limit,
    /// Accounts of people and services.
    pub accounts: Limit,
    /// Rules about who may call what.
    pub rules: Limit,
    /// Bytes of one request body at a door.
    pub body_bytes: Limit,
    /// Requests a second at the doors, averaged over ten.
    pub requests_per_second: Limit,
    /// Requests in flight at once.
    pub requests_in_flight: Limit,
    /// Open connections to one service's door.
    pub connections: Limit,
    /// Bytes of memory of one instance.
    pub memory_bytes: Limit,
    /// Processes and threads of one instance.
    pub tasks: Limit,
    /// Seconds a build may take.
    pub build_seconds: Limit,
    /// Bytes of log kept for one service.
    pub log_bytes: Limit,
    /// Records in the store, of all its tables.
    pub records: Limit,
    /// Bytes of all records, their keys and metadata with them.
    pub records_bytes: Limit,
    /// Bytes of one stored value.
    pub value_bytes: Limit,
    /// Bytes of all blobs together.
    pub blobs_bytes: Limit,
    /// Bytes of the configuration, as stored.
    pub config_bytes: Limit,
    /// Topics: of events, and of the broker while somebody subscribes.
    pub topics: Limit,
    /// Bytes of one topic's events; the oldest make room.
    pub topic_bytes: Limit,
    /// Bytes of one event or broker message, with its metadata.
    pub message_bytes: Limit,
    /// Open subscriptions, and consumers of events.
    pub subscribers: Limit,
    /// Events published a second, averaged over ten.
    pub events_per_second: Limit,
    /// Open watches: of the registry, and of the configuration.
    pub watchers: Limit,
}

impl Limits {
    /// What $35 a month buys.
    pub const DEVELOPER: Self = Self {
        upload_bytes: Limit {
            name: "upload.bytes",
            max: 64 << 20,
        },
        upload_entries: Limit {
            name: "upload.entries",
            max: 20_000,
        },
        services: Limit {
            name: "services",
            max: 20,
        },
        accounts: Limit {
            name: "accounts",
            max: 1_000,
        },
        rules: Limit {
            name: "rules",
            max: 1_000,
        },
        body_bytes: Limit {
            name: "body.bytes",
            max: 16 << 20,
        },
        requests_per_second: Limit {
            name: "requests.per_second",
            max: 2_000,
        },
        requests_in_flight: Limit {
            name: "requests.in_flight",
            max: 1_000,
        },
        connections: Limit {
            name: "connections",
            max: 1_000,
        },
        memory_bytes: Limit {
            name: "memory.bytes",
            max: 512 << 20,
        },
        tasks: Limit {
            name: "tasks",
            max: 256,
        },
        build_seconds: Limit {
            name: "build.seconds",
            max: 600,
        },
        log_bytes: Limit {
            name: "log.bytes",
            max: 32 << 20,
        },
        records: Limit {
            name: "records",
            max: 1_000_000,
        },
        records_bytes: Limit {
            name: "records.bytes",
            max: 2 << 30,
        },
        value_bytes: Limit {
            name: "value.bytes",
            max: 1 << 20,
        },
        blobs_bytes: Limit {
            name: "blobs.bytes",
            max: 5 << 30,
        },
        config_bytes: Limit {
            name: "config.bytes",
            max: 256 << 10,
        },
        topics: Limit {
            name: "topics",
            max: 1_000,
        },
        topic_bytes: Limit {
            name: "topic.bytes",
            max: 256 << 20,
        },
        message_bytes: Limit {
            name: "message.bytes",
            max: 1 << 20,
        },
        subscribers: Limit {
            name: "subscribers",
            max: 1_000,
        },
        events_per_second: Limit {
            name: "events.per_second",
            max: 5_000,
        },
        watchers: Limit {
            name: "watchers",
            max: 500,
        },
    };
}
