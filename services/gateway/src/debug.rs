//! `Debug.*` of core names: health, true figures of this process; logs and traces are the operators' affair.

use std::{fs, sync::Arc};

use async_trait::async_trait;
use micro_clock::Clock;
use micro_error::Error;
use micro_proto::debug::{
    Debug, DebugServer, HealthRequest, HealthResponse, LogRequest, LogResponse, StatsRequest, StatsResponse,
    TraceRequest, TraceResponse,
};
use micro_rpc::Service;
use micro_tenancy::Caller;

use crate::Metrics;

struct Process {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    started: i64,
}

/// Answers for this process.
pub fn service(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Arc<dyn Service> {
    let started = clock.now().unix_timestamp();
    Arc::new(DebugServer::new(Arc::new(Process {
        clock,
        metrics,
        started,
    })))
}

#[async_trait]
impl Debug for Process {
    async fn health(&self, _: &Caller, _: HealthRequest) -> Result<HealthResponse, Error> {
        Ok(HealthResponse { status: "ok".into() })
    }

    async fn stats(&self, _: &Caller, _: StatsRequest) -> Result<StatsResponse, Error> {
        let now = self.clock.now().unix_timestamp();
        let (requests, errors) = self.metrics.totals();
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

    /// What this process logs speaks of all tenants: none of it is shown to one.
    async fn log(&self, _: &Caller, _: LogRequest) -> Result<LogResponse, Error> {
        Ok(LogResponse::default())
    }

    async fn trace(&self, _: &Caller, _: TraceRequest) -> Result<TraceResponse, Error> {
        Ok(TraceResponse::default())
    }
}

/// A number from `/proc/self/status`.
fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
