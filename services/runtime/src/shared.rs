//! What every part of the runtime works with.

use std::sync::Arc;

use micro_clock::Clock;
use micro_domain::{InstanceId, Limits, NamespaceId};
use micro_limits::InFlight;
use micro_rpc::mesh::{Credentials, Duty, Ingress, Registrations, Traffic};
use micro_sandbox::Launcher;
use micro_storage::blobs::Blobs;

use crate::{build::Builder, instances::InstanceTable, layout::Layout, service::Service, store::Store};

pub(crate) struct Shared {
    pub(crate) launcher: Launcher,
    pub(crate) layout: Layout,
    pub(crate) store: Store,
    pub(crate) builder: Builder,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) ingress: Arc<dyn Ingress>,
    pub(crate) traffic: Arc<dyn Traffic>,
    pub(crate) registrations: Arc<dyn Registrations>,
    pub(crate) credentials: Arc<dyn Credentials>,
    pub(crate) instances: Arc<InstanceTable>,
    pub(crate) duty: Arc<dyn Duty>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) network_address: String,
    /// Logs that are being read.
    pub(crate) reading: InFlight<NamespaceId>,
    /// Sources that are coming in.
    pub(crate) uploading: InFlight<NamespaceId>,
}

impl Shared {
    /// Nothing of an instance that has ended stays behind.
    pub(crate) async fn ended(&self, service: &Service, instance: InstanceId) {
        self.instances.leave_out(instance);
        self.registrations.forget(instance);
        if let Err(e) = self.credentials.revoke(service.namespace.id, instance).await {
            tracing::error!(error = ?e, instance.id = %instance, "an ended instance's account lives on");
        }
    }
}
