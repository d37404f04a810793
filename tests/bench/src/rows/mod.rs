//! What is measured: groups of rows, by name.

mod api;
mod authorise;
mod broker;
mod cli;
mod door;
mod events;
mod gateway;
mod list;
mod start;
mod store;
mod write;

use std::{future::Future, pin::Pin};

use anyhow::Result;

use crate::harness::{Row, Settings};

type Run = for<'a> fn(&'a Settings, &'a mut Vec<Row>) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Rows that share what they are measured with.
#[derive(Clone, Copy)]
pub struct Group {
    /// What it is called on the command line.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    run: Run,
}

/// Every group, the cheap ones first.
pub const GROUPS: [Group; 10] = [
    Group {
        name: "authorise",
        about: "a decision among a thousand rules; a token that is known already",
        run: |settings, rows| Box::pin(authorise::run(settings, rows)),
    },
    Group {
        name: "cli",
        about: "the command line's start and one round trip",
        run: |settings, rows| Box::pin(cli::run(settings, rows)),
    },
    Group {
        name: "start",
        about: "time to serving and idle memory, local and platform; memory of idle tenants",
        run: |settings, rows| Box::pin(start::run(settings, rows)),
    },
    Group {
        name: "store",
        about: "point reads under row-level security beside pgbench -S and Redis",
        run: |settings, rows| Box::pin(store::run(settings, rows)),
    },
    Group {
        name: "write",
        about: "durable writes beside a bare insert, pgbench and Redis",
        run: |settings, rows| Box::pin(write::run(settings, rows)),
    },
    Group {
        name: "list",
        about: "100 keys by prefix among 300,000, with and without row-level security",
        run: |settings, rows| Box::pin(list::run(settings, rows)),
    },
    Group {
        name: "events",
        about: "durable events and their replay beside Redis streams",
        run: |settings, rows| Box::pin(events::run(settings, rows)),
    },
    Group {
        name: "broker",
        about: "publish to deliver through the door beside Redis pub/sub",
        run: |settings, rows| Box::pin(broker::run(settings, rows)),
    },
    Group {
        name: "gateway",
        about: "the gRPC door to a service, and to the store, beside Envoy",
        run: |settings, rows| Box::pin(gateway::run(settings, rows)),
    },
    Group {
        name: "api",
        about: "HTTP/JSON to a service beside Envoy's transcoder",
        run: |settings, rows| Box::pin(api::run(settings, rows)),
    },
];

impl Group {
    /// Measures its rows. Where it cannot go on, what it has so far stays, and a row says why.
    pub async fn run(&self, settings: &Settings) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Err(error) = (self.run)(settings, &mut rows).await {
            rows.push(Row::failed(self.name, self.about, &error));
        }
        rows
    }
}
