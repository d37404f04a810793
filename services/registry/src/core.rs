//! What the platform itself offers, in the domain `micro`.

use std::collections::BTreeMap;

use micro_proto::registry::Service;
use micro_rpc::ServiceDescriptor;

use crate::schema::endpoint;

/// The core services by name.
pub struct CoreServices(BTreeMap<String, Service>);

impl CoreServices {
    /// Describes these.
    pub fn new(descriptors: &[&ServiceDescriptor]) -> Self {
        let mut services = BTreeMap::<String, Service>::new();
        for descriptor in descriptors {
            let name = descriptor.package;
            let new = || Service {
                name: name.into(),
                version: "latest".into(),
                ..Default::default()
            };
            let service = services.entry(name.into()).or_insert_with(new);
            service.endpoints.extend(
                descriptor
                    .methods
                    .iter()
                    .map(|method| endpoint(descriptor.name, method)),
            );
        }
        Self(services)
    }

    /// The core service of that name.
    pub fn find(&self, name: &str) -> Option<&Service> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn list(&self) -> impl Iterator<Item = &Service> {
        self.0.values()
    }
}
