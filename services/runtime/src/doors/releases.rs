//! `runtime.Releases/Watch`: how the latest release comes along.

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::runtime::{ReleaseEvent, Releases, Service as Wanted, WatchRequest};
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use super::service_id;
use crate::Runtime;

const ID: &str = "runtime.Releases.Watch";

#[async_trait]
impl Releases for Runtime {
    async fn watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<ReleaseEvent>, Error> {
        let options = request.options.unwrap_or_default();
        let tenant = caller.enter_as_admin(&options.namespace).map_err(|e| e.with_id(ID))?;
        let wanted = Wanted {
            name: request.service,
            version: request.version,
            ..Wanted::default()
        };
        let service = self.service(tenant.id(), &service_id(&wanted, ID)?);
        let service = service.ok_or_else(|| Error::new(Kind::NotFound, ID, "not found"))?;
        Ok(service.feed().watch())
    }
}
