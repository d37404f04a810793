//! `runtime.Runtime/Logs`.

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_proto::runtime::{LogRecord, LogsRequest};
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use time::{Duration, OffsetDateTime};

use super::LATEST;
use crate::{
    Runtime,
    logs::{self, Asked},
};

const ID: &str = "runtime.Runtime.Logs";

/// Logs of a namespace that are read at once: each holds files and buffers.
const READERS: Limit = Limit {
    name: "logs.readers",
    max: 32,
};

impl Runtime {
    pub(super) async fn read_logs(&self, caller: &Caller, request: LogsRequest) -> Result<Streaming<LogRecord>, Error> {
        let options = request.options.unwrap_or_default();
        let tenant = caller.enter_as_admin(&options.namespace).map_err(|e| e.with_id(ID))?;
        let mut found: Vec<_> = self
            .services()
            .iter()
            .filter(|((namespace, id), _)| *namespace == tenant.id() && id.name == request.service)
            .map(|(_, known)| known.service.clone())
            .collect();
        // The message names no version: the one called latest, or else the first by name.
        found.sort_by_key(|service| (service.id.version != LATEST, service.id.version.clone()));
        let Some(service) = found.into_iter().next() else {
            let words = format!("Logs not found for service {}", request.service);
            return Err(Error::new(Kind::NotFound, ID, words));
        };
        let asked = Asked {
            count: usize::try_from(request.count).ok().filter(|count| *count > 0),
            since: since(request.since, self.shared.clock.now()),
            follow: request.stream,
        };
        let reading = self.shared.reading.enter(tenant.id(), READERS)?;
        logs::read(service.home.clone(), service.id.clone(), asked, reading).map_err(|e| Error::internal(e).with_id(ID))
    }
}

/// A moment in Unix seconds, or, where that would be in the last century, so many seconds ago.
fn since(given: i64, now: OffsetDateTime) -> Option<OffsetDateTime> {
    match given {
        ..=0 => None,
        1..1_000_000_000 => Some(now - Duration::seconds(given)),
        _ => OffsetDateTime::from_unix_timestamp(given).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_moment_or_an_age() {
        let now = OffsetDateTime::from_unix_timestamp(1_767_225_600).expect("in range");
        assert_eq!(since(0, now), None);
        assert_eq!(since(60, now), Some(now - Duration::seconds(60)));
        assert_eq!(since(1_767_225_000, now), Some(now - Duration::seconds(600)));
    }
}
