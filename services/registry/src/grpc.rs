//! `registry.Registry`.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_domain::{InstanceId, Namespace, NamespaceId, NamespaceName, ServiceName};
use micro_error::Error;
use micro_limits::Permit;
use micro_proto::registry::{
    EmptyResponse, GetRequest, GetResponse, ListRequest, ListResponse, Node, Options, Registry, Result as Event,
    Service, WatchRequest,
};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, LimitReached, Reach};
use prost::Message;

use crate::{
    App, RegistryError,
    error::at_most,
    lease::{Lease, port_of},
    watch::{Watch, Watched, beginning},
};

/// How long a lease lasts that says nothing about it, in seconds.
const TTL: i64 = 90;
/// The longest version, node id or address.
const LONGEST: usize = 256;
/// The most nodes of one registration.
const NODES: usize = 16;

/// The most bytes of one node, its metadata included: a namespace may have a thousand of them.
const NODE: usize = 2 << 10;

/// What a question is about.
pub enum Scope {
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
        let (mut services, revision) = self.all(&scope);
        services.retain(|service| service.name == request.service);
        match services.is_empty() {
            true => Err(RegistryError::NotFound.at(id)),
            false => Ok(GetResponse { services, revision }),
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
        let (services, revision) = self.all(&scope);
        Ok(ListResponse { services, revision })
    }

    async fn watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<Event>, Error> {
        self.begin_watch(caller, request)
            .map_err(|e| e.at("registry.Registry.Watch"))
    }
}

impl App {
    /// What the caller asks about, if it may.
    pub(crate) fn scope(&self, caller: &Caller, options: Option<&Options>) -> Result<Scope, RegistryError> {
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

    /// Every service in scope, by name and version; and as of which change, where that can be said.
    fn all(&self, scope: &Scope) -> (Vec<Service>, String) {
        let now = self.parts.clock.now();
        let (core, spaces, revision) = match scope {
            Scope::Core => (true, Vec::new(), String::new()),
            Scope::Of(namespace) | Scope::Both(namespace) => {
                let (space, revision) = self.catalog.as_of(namespace.id);
                (matches!(scope, Scope::Both(_)), space.into_iter().collect(), revision)
            }
            Scope::Everything => (true, self.catalog.spaces(), String::new()),
        };
        let core = self.core.list().filter(|_| core).cloned();
        let registered = spaces.iter().flat_map(|space| space.all());
        let registered = registered
            .map(|r| r.render(now))
            .filter(|service| !service.nodes.is_empty());
        let mut services: Vec<Service> = core.chain(registered).collect();
        services.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        (services, revision)
    }

    fn begin_watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<Event>, RegistryError> {
        let WatchRequest {
            service,
            options,
            revision,
        } = request;
        let (namespace, core) = match self.scope(caller, options.as_ref())? {
            Scope::Of(namespace) => (Some(namespace), false),
            Scope::Both(namespace) => (Some(namespace), true),
            Scope::Core => (None, true),
            Scope::Everything => return Err(RegistryError::Everywhere),
        };
        let home = caller.enter("")?.id();
        let counted = self.count_watch(home)?;
        let core = self
            .core
            .list()
            .filter(|known| core && (service.is_empty() || known.name == service));
        let Some(namespace) = namespace else {
            let beginning = beginning(!revision.is_empty(), core.cloned()).into_iter().map(Ok);
            // The core does not change while it runs.
            let waiting = stream::pending::<Result<Event, Error>>().map(move |event| {
                let _until_dropped = &counted;
                event
            });
            return Ok(stream::iter(beginning.collect::<Vec<_>>()).chain(waiting).boxed());
        };
        let watched = Watched {
            namespace: namespace.id,
            service: service.clone(),
        };
        let (catalog, clock) = (self.catalog.clone(), self.parts.clock.clone());
        let watch = Watch::begin(catalog, clock, watched, &revision, counted);
        let beginning = match watch.is_from_nothing() {
            true => beginning(!revision.is_empty(), core.cloned()),
            false => Vec::new(),
        };
        Ok(stream::iter(beginning.into_iter().map(Ok))
            .chain(watch.events())
            .boxed())
    }

    fn count_watch(&self, namespace: NamespaceId) -> Result<Permit<NamespaceId>, RegistryError> {
        let limit = self.parts.limits.watchers;
        let reached = |_| LimitReached::new(limit, self.watching.count(&namespace)).into();
        self.watching.enter(namespace, limit).map_err(reached)
    }

    fn register_nodes(&self, caller: &Caller, request: Service) -> Result<(), RegistryError> {
        let (namespace, instance) = self.registrant(caller, &request)?;
        at_most(self.parts.limits.registration_bytes, request.encoded_len())?;
        at_most(self.parts.limits.endpoints, request.endpoints.len())?;
        let name = ServiceName::parse(request.name)?;
        if self.core.find(name.as_str()).is_some() {
            return Err(RegistryError::Reserved(name.to_string()));
        }
        bounded("a version", &request.version)?;
        if request.nodes.is_empty() || request.nodes.len() > NODES {
            return Err(RegistryError::Address);
        }
        let (now, ttl) = (self.parts.clock.now(), request.options.as_ref().map_or(TTL, |o| o.ttl));
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
