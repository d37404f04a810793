//! What is registered in Ada's namespace, and who may see it.

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::registry;
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use super::{NAMESPACE, State, greeter::greeter, known, refused};

#[async_trait]
impl registry::Registry for State {
    async fn get_service(
        &self,
        caller: &Caller,
        request: registry::GetRequest,
    ) -> Result<registry::GetResponse, Error> {
        known(caller)?;
        let domain = request.options.unwrap_or_default().domain;
        match (request.service.as_str(), domain.as_str()) {
            ("greeter", NAMESPACE) => Ok(registry::GetResponse {
                services: vec![greeter()],
                ..Default::default()
            }),
            // The core's have no nodes.
            ("store", "micro") => Ok(registry::GetResponse {
                services: vec![registry::Service {
                    name: "store".into(),
                    version: "latest".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            (_, NAMESPACE) => refused(Kind::NotFound, "registry.Registry.GetService", "not found"),
            _ => refused(
                Kind::Forbidden,
                "registry.Registry.GetService",
                "Access denied to namespace",
            ),
        }
    }

    async fn register(&self, _: &Caller, _: registry::Service) -> Result<registry::EmptyResponse, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }

    async fn deregister(&self, _: &Caller, _: registry::Service) -> Result<registry::EmptyResponse, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }

    async fn list_services(
        &self,
        caller: &Caller,
        request: registry::ListRequest,
    ) -> Result<registry::ListResponse, Error> {
        known(caller)?;
        self.note(format!("list {}", request.options.unwrap_or_default().domain));
        let names = ["store", "greeter", "auth", "greeter"];
        let services = names
            .map(|name| registry::Service {
                name: name.into(),
                ..Default::default()
            })
            .to_vec();
        Ok(registry::ListResponse {
            services,
            ..Default::default()
        })
    }

    async fn watch(&self, _: &Caller, _: registry::WatchRequest) -> Result<Streaming<registry::Result>, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }
}
