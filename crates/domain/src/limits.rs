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
    /// Open subscriptions, and consumers of events: each replica counts its own.
    pub subscribers: Limit,
    /// Groups that consume events, of all topics.
    pub groups: Limit,
    /// Events published a second, averaged over ten.
    pub events_per_second: Limit,
    /// Open watches: of the registry, and of the configuration.
    pub watchers: Limit,
    /// Versions of services that are registered.
    pub registrations: Limit,
    /// Nodes of all that is registered.
    pub nodes: Limit,
    /// Bytes of one registration, most of which describe its endpoints.
    pub registration_bytes: Limit,
    /// Endpoints of one registration.
    pub endpoints: Limit,
}

impl Limit {
    /// What is counted, as the name says it: `bytes`, `seconds`, `a second`, or nothing where it is things.
    pub fn unit(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, last)| last) {
            Some("bytes") => "bytes",
            Some("seconds") => "seconds",
            Some("per_second") => "a second",
            _ => "",
        }
    }
}

impl Limits {
    /// The whole table, in the order in which it is shown.
    pub fn all(&self) -> Vec<Limit> {
        // Taken apart, so that a new limit that is not listed does not compile.
        let Self {
            upload_bytes,
            upload_entries,
            services,
            accounts,
            rules,
            body_bytes,
            requests_per_second,
            requests_in_flight,
            connections,
            memory_bytes,
            tasks,
            build_seconds,
            log_bytes,
            records,
            records_bytes,
            value_bytes,
            blobs_bytes,
            config_bytes,
            topics,
            topic_bytes,
            message_bytes,
            subscribers,
            groups,
            events_per_second,
            watchers,
            registrations,
            nodes,
            registration_bytes,
            endpoints,
        } = *self;
        vec![
            accounts,
            rules,
            services,
            records,
            records_bytes,
            value_bytes,
            blobs_bytes,
            config_bytes,
            topics,
            topic_bytes,
            message_bytes,
            groups,
            events_per_second,
            subscribers,
            watchers,
            registrations,
            nodes,
            registration_bytes,
            endpoints,
            requests_per_second,
            requests_in_flight,
            connections,
            body_bytes,
            upload_bytes,
            upload_entries,
            build_seconds,
            memory_bytes,
            tasks,
            log_bytes,
        ]
    }

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
        groups: Limit {
            name: "groups",
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
        registrations: Limit {
            name: "registrations",
            max: 200,
        },
        nodes: Limit {
            name: "nodes",
            max: 1_000,
        },
        registration_bytes: Limit {
            name: "registration.bytes",
            max: 128 << 10,
        },
        endpoints: Limit {
            name: "endpoints",
            max: 500,
        },
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_limit_has_a_name_of_its_own_and_says_its_unit() {
        let all = Limits::DEVELOPER.all();
        let names: BTreeSet<_> = all.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        let unit = |limit: Limit| limit.unit();
        let limits = Limits::DEVELOPER;
        assert_eq!(unit(limits.records_bytes), "bytes");
        assert_eq!(unit(limits.build_seconds), "seconds");
        assert_eq!(unit(limits.requests_per_second), "a second");
        assert_eq!((unit(limits.accounts), unit(limits.requests_in_flight)), ("", ""));
    }
}
