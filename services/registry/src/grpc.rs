//! `registry.Registry`.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_domain::{InstanceId, Namespace, NamespaceName, ServiceName};
use micro_error::Error;
use micro_proto::registry::{
    EmptyResponse, GetRequest, GetResponse, ListRequest, ListResponse, Node, Options, Registry, Result as Event,
    Service, WatchRequest,
};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, Reach};
use prost::Message;

use crate::{
    App, RegistryError,
    lease::{Lease, port_of},
};

/// The longest version, node id or address.
const LONGEST: usize = 256;
/// The most nodes of one registration.
const NODES: usize = 16;

/// The most bytes of one registration, most of which are endpoints: they are held in memory.
const DESCRIPTION: usize = 128 << 10;

/// The most bytes of one node, its metadata included: a namespace may have thousands of them.
const NODE: usize = 2 << 10;

/// What a question is about.
enum Scope {
    /// The platform's own services: anybody with an account may ask.
    Core,
    /// One namespace's services.
    Of(Namespace),
    /// A local server's own namespace: its services beside the core's.
    Both(Namespace),
    /// Every namespace of a local server.
    Everything,
}

#[async_trait]
impl Registry for App {
    async fn get_service(&self, caller: &Caller, request: GetRequest) -> Result<GetResponse, Error> {
        let id = "registry.Registry.GetService";
        let scope = self.scope(caller, request.options.as_ref()).map_err(|e| e.at(id))?;
        let mut services = self.all(&scope);
        services.retain(|service| service.name == request.service);
        match services.is_empty() {
            true => Err(RegistryError::NotFound.at(id)),
            false => Ok(GetResponse { services }),
        }
    }

    async fn register(&self, caller: &Caller, request: Service) -> Result<EmptyResponse, Error> {
        self.register_nodes(caller, request)
            .map_err(|e| e.at("registry.Registry.Register"))?;
        self.write_changes().await;
        Ok(EmptyResponse {})
    }

    async fn deregister(&self, caller: &Caller, request: Service) -> Result<EmptyResponse, Error> {
        self.deregister_nodes(caller, request)
            .map_err(|e| e.at("registry.Registry.Deregister"))?;
        self.write_changes().await;
        Ok(EmptyResponse {})
    }

    async fn list_services(&self, caller: &Caller, request: ListRequest) -> Result<ListResponse, Error> {
        let scope = self.scope(caller, request.options.as_ref());
        let scope = scope.map_err(|e| e.at("registry.Registry.ListServices"))?;
        Ok(ListResponse {
            services: self.all(&scope),
        })
    }

    async fn watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<Event>, Error> {
        let scope = self.scope(caller, request.options.as_ref());
        match scope.map_err(|e| e.at("registry.Registry.Watch"))? {
            Scope::Of(namespace) | Scope::Both(namespace) => {
                Ok(self.catalog.watchers.watch(namespace.id, request.service))
            }
            // The core does not change while it runs; across namespaces nobody needs to watch.
            Scope::Core | Scope::Everything => Ok(stream::pending().boxed()),
        }
    }
}

impl App {
    /// What the caller asks about, if it may.
    fn scope(&self, caller: &Caller, options: Option<&Options>) -> Result<Scope, RegistryError> {
        let domain = options.map_or("", |options| options.domain.as_str());
        let micro = NamespaceName::micro();
        let everywhere = caller.principal().is_some_and(|p| p.reach == Reach::Local);
        if domain == "*" && everywhere {
            return Ok(Scope::Everything);
        }
        match caller.enter(domain) {
            Ok(tenant) if tenant.namespace().name == micro => Ok(Scope::Both(tenant.namespace().clone())),
            Ok(tenant) => Ok(Scope::Of(tenant.namespace().clone())),
            Err(_) if domain == micro.as_str() && caller.principal().is_some() => Ok(Scope::Core),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Every service in scope, by name and version.
    fn all(&self, scope: &Scope) -> Vec<Service> {
        let now = self.parts.clock.now();
        let (core, spaces) = match scope {
            Scope::Core => (true, Vec::new()),
            Scope::Of(namespace) => (false, self.catalog.space(namespace.id).into_iter().collect()),
            Scope::Both(namespace) => (true, self.catalog.space(namespace.id).into_iter().collect()),
            Scope::Everything => (true, self.catalog.spaces()),
        };
        let core = self.core.list().filter(|_| core).cloned();
        let registered = spaces
            .iter()
            .flat_map(|space| space.services.values())
            .flat_map(|v| v.values());
        let registered = registered
            .map(|r| r.render(now))
            .filter(|service| !service.nodes.is_empty());
        let mut services: Vec<Service> = core.chain(registered).collect();
        services.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        services
    }

    fn register_nodes(&self, caller: &Caller, request: Service) -> Result<(), RegistryError> {
        let (namespace, instance) = self.registrant(caller, &request)?;
        if request.encoded_len() > DESCRIPTION {
            return Err(RegistryError::TooLong("a service's description"));
        }
        let name = ServiceName::parse(request.name)?;
        if self.core.find(name.as_str()).is_some() {
            return Err(RegistryError::Reserved(name.to_string()));
        }
        bounded("a version", &request.version)?;
        if request.nodes.is_empty() || request.nodes.len() > NODES {
            return Err(RegistryError::Address);
        }
        let (now, ttl) = (self.parts.clock.now(), request.options.as_ref().map_or(0, |o| o.ttl));
        let lease = |node: Node| {
            bounded("a node", &node.id)?;
            bounded("a node", &node.address)?;
            if node.encoded_len() > NODE {
                return Err(RegistryError::TooLong("a node"));
            }
            let port = port_of(&node)
                .filter(|_| !node.id.is_empty())
                .ok_or(RegistryError::Address)?;
            Ok(Lease::new(node, instance, port, ttl, now))
        };
        let leases = request
            .nodes
            .into_iter()
            .map(lease)
            .collect::<Result<Vec<_>, RegistryError>>()?;
        let service = Service {
            name: name.into(),
            nodes: Vec::new(),
            options: None,
            ..request
        };
        self.catalog.register(&namespace, service, leases, now)
    }

    /// Takes out the nodes that are named, or all; an instance takes out its own only.
    fn deregister_nodes(&self, caller: &Caller, request: Service) -> Result<(), RegistryError> {
        let (namespace, instance) = self.registrant(caller, &request)?;
        let named = |id: &str| request.nodes.is_empty() || request.nodes.iter().any(|node| node.id == id);
        self.catalog
            .remove(Some(namespace.id), self.parts.clock.now(), |registered, lease| {
                let Service { name, version, .. } = &*registered.service;
                let own = instance.is_none() || lease.instance == instance;
                let this_version = *name == request.name && *version == request.version;
                this_version && own && named(&lease.node.id)
            });
        Ok(())
    }

    /// Whose registrations the caller may change, whatever the message says: its own instance's. By hand only on
    /// a local server.
    fn registrant(&self, caller: &Caller, request: &Service) -> Result<(Namespace, Option<InstanceId>), RegistryError> {
        let domain = request.options.as_ref().map_or("", |options| options.domain.as_str());
        let tenant = caller.enter_as_admin(domain)?;
        let instance = caller.principal().and_then(|p| p.instance);
        match instance.is_some() || self.parts.local {
            true => Ok((tenant.namespace().clone(), instance)),
            false => Err(RegistryError::NoInstance),
        }
    }
}

fn bounded(what: &'static str, text: &str) -> Result<(), RegistryError> {
    let fine = text.len() <= LONGEST && !text.chars().any(char::is_control);
    if fine {
        Ok(())
    } else {
        Err(RegistryError::TooLong(what))
    }
}
