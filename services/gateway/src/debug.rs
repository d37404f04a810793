//! `Debug.*` of core names: health, and figures: of this process, and of what the caller's namespace asked of the
//! service. Log and traces speak of all namespaces: they are the operators'.

use std::{fs, sync::Arc};

use async_trait::async_trait;
use micro_clock::Clock;
use micro_error::{Error, Kind};
use micro_proto::debug::{
    Debug, DebugServer, HealthRequest, HealthResponse, LogRequest, LogResponse, StatsRequest, StatsResponse,
    TraceRequest, TraceResponse,
};
use micro_rpc::{Path, Service};
use micro_tenancy::{Caller, Principal};

use crate::figures::Figures;

/// What a service says of itself to accounts of its namespace only, whatever the namespace's rules open to others:
/// what it logs and whom it serves is nobody else's business.
const OWN_ONLY: [&str; 3] = ["Stats", "Log", "Trace"];

/// One core service of this process.
struct Core {
    name: String,
    clock: Arc<dyn Clock>,
    figures: Arc<Figures>,
    started: i64,
}

/// Answers for the core service of that name.
pub fn service(name: &str, clock: Arc<dyn Clock>, figures: Arc<Figures>) -> Arc<dyn Service> {
    let started = clock.now().unix_timestamp();
    Arc::new(DebugServer::new(Arc::new(Core {
        name: name.to_owned(),
        clock,
        figures,
        started,
    })))
}

/// Refuses strangers what a tenant's service tells its own namespace only.
pub fn check(path: Path<'_>, principal: Option<&Principal>, own: bool) -> Result<(), Error> {
    let guarded = path.handler.eq_ignore_ascii_case("Debug")
        && OWN_ONLY.iter().any(|method| method.eq_ignore_ascii_case(path.method));
    if !guarded || (principal.is_some() && own) {
        return Ok(());
    }
    let id = format!("{}.{}", path.service, path.endpoint());
    Err(match principal {
        None => Error::new(Kind::Unauthenticated, id, "An account is required"),
        Some(_) => Error::new(Kind::Forbidden, id, "Access denied to namespace"),
    })
}

impl Core {
    fn kept_back<T>(&self, method: &str, what: &str) -> Result<T, Error> {
        let id = format!("{}.Debug.{method}", self.name);
        let text = format!("The {what} of the platform's own services are not shown here; those of yours are");
        Err(Error::new(Kind::Unimplemented, id, text))
    }
}

#[async_trait]
impl Debug for Core {
    async fn health(&self, _: &Caller, _: HealthRequest) -> Result<HealthResponse, Error> {
        Ok(HealthResponse { status: "ok".into() })
    }

    async fn stats(&self, caller: &Caller, _: StatsRequest) -> Result<StatsResponse, Error> {
        let namespace = caller.account()?.namespace.id;
        let now = self.clock.now().unix_timestamp();
        let (requests, errors) = self.figures.of(namespace, &self.name);
        let since = |then| u64::try_from(now - then).unwrap_or_default();
        Ok(StatsResponse {
            timestamp: since(0),
            started: u64::try_from(self.started).unwrap_or_default(),
            uptime: since(self.started),
            memory: status_field("VmRSS:").map_or(0, |kib| kib << 10),
            threads: status_field("Threads:").unwrap_or(0),
            // There is no garbage to collect.
            gc: 0,
            requests,
            errors,
        })
    }

    async fn log(&self, _: &Caller, _: LogRequest) -> Result<LogResponse, Error> {
        self.kept_back("Log", "logs")
    }

    async fn trace(&self, _: &Caller, _: TraceRequest) -> Result<TraceResponse, Error> {
        self.kept_back("Trace", "traces")
    }
}

/// A number from `/proc/self/status`.
fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
