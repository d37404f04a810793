//! The stack that every request goes through: authenticate → namespace → authorise → limit → route.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use micro_domain::{InstanceId, Limit, Limits, Namespace, NamespaceId, NamespaceName};
use micro_error::{Error, Kind};
use micro_limits::{InFlight, LimitKey, Rate};
use micro_rpc::{Path, Room, Service, Status, mesh::Node, server::Router};
use micro_tenancy::{Principal, Reach, bounded::Bounded, rules, rules::RuleSet};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use crate::{
    GatewayConfig, Ports,
    accept::Peer,
    api, bounds, debug,
    door::Door,
    exchange::Exchanged,
    figures::Figures,
    forward::Pool,
    grpc,
    held::{Held, Looks, Pass},
    here, hop,
    identity::{self, Asker},
    reply::Reply,
    traffic::Instances,
};

/// Micro's core names: never routed to a tenant's service (reference/micro-wire §0.3).
const RESERVED: [&str; 13] = [
    "api", "auth", "broker", "config", "debug", "events", "network", "proxy", "registry", "router", "runtime",
    "server", "store",
];

/// The name that oldest clients know signup by (reference/micro-wire §5.2).
const SIGNUP_OF_OLD: &str = "go.micro.service.signup";

/// What may be called without an account. Everything else of the core is refused before its handler is asked.
const OPEN: [(&str, Option<&[&str]>); 5] = [
    ("auth.Auth", Some(&["Token", "Inspect"])),
    ("auth.Sessions", Some(&["End"])),
    ("signup.Signup", None),
    ("signup.Session", None),
    ("go.micro.service.signup.Signup", None),
];

/// Methods of public services that only the platform itself may call: for a door they do not exist.
const INTERNAL: [(&str, &[&str]); 1] = [("auth.Sessions", &["Start", "Seal", "Ensure"])];

/// Names the node of a service that is to answer: each has figures of its own.
const NODE_HEADER: &str = "micro-node";

/// What all cores share.
pub struct Edge {
    pub ports: Ports,
    pub exchanged: Exchanged,
    pub version: String,
    pub core_runtime: Option<Handle>,
    pub figures: Arc<Figures>,
    limits: Limits,
    apps_domain: Option<String>,
    core: Router,
    local: bool,
    /// Whether the door for command lines and the HTTP API are on a loopback address.
    loopback: (bool, bool),
    in_flight: InFlight<NamespaceId>,
    strangers: InFlight<String>,
    long: InFlight<NamespaceId>,
    answers: InFlight<NamespaceId>,
    known: Bounded<NamespaceName, (Option<Namespace>, OffsetDateTime)>,
    pools: Vec<Pool>,
    instances: Arc<Instances>,
}

/// One core's view of it.
pub struct EdgeCore {
    pub edge: Arc<Edge>,
    pub core: usize,
    pub looks: Looks,
}

/// A request that may go on, and where to.
pub struct Admitted {
    pub asker: Asker,
    pub target: Target,
    /// Counts the request as in flight until it is dropped.
    pub held: Held,
}

/// Where a request goes.
pub enum Target {
    /// To a service of this process.
    Core(Arc<dyn Service>),
    /// To one of a namespace's nodes.
    Nodes { namespace: Namespace, nodes: Arc<[Node]> },
}

/// Why a request does not go on.
#[derive(Debug)]
pub enum Refused {
    /// Nothing answers under that name, in that namespace.
    NoRoute(String),
    /// Everything else.
    Status(Status),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Status(error.into())
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            // 500, as upstream: its CLI and Go programs look for this text under this id.
            Refused::NoRoute(service) => Error::new(
                Kind::Internal,
                "go.micro.client",
                format!("service {service}: route not found"),
            )
            .into(),
            Refused::Status(status) => status,
        }
    }
}

impl Edge {
    pub fn new(config: &GatewayConfig, ports: Ports, cores: usize) -> Self {
        let instances = Arc::new(Instances::default());
        let names = ports.core.iter().map(|service| service.descriptor().package);
        let figures = Arc::new(Figures::new(names));
        Self {
            exchanged: Exchanged::new(ports.exchange.clone()),
            version: config.version.clone(),
            core_runtime: config.core_runtime.clone(),
            limits: config.limits,
            apps_domain: config.apps_domain.clone(),
            core: core_router(&ports, &figures),
            figures,
            local: config.local,
            loopback: (config.proxy.ip().is_loopback(), config.api.ip().is_loopback()),
            in_flight: InFlight::default(),
            strangers: InFlight::default(),
            long: InFlight::default(),
            answers: InFlight::default(),
            known: Bounded::new(bounds::NAMESPACES),
            pools: (0..cores).map(|_| Pool::new(instances.clone())).collect(),
            instances,
            ports,
        }
    }

    /// Whether a name is one of the platform's own, never a tenant's service.
    pub fn is_core(&self, service: &str) -> bool {
        self.core.serves(service) || RESERVED.contains(&service)
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decides about a request by its head: may it go on, and where to?
    pub async fn admit(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        host: Option<&str>,
        path: Path<'_>,
    ) -> Result<Admitted, Refused> {
        let asker = identity::identify(&self.ports, self.local, &peer.door, headers, path.service).await?;
        if self.is_core(path.service) {
            return self.admit_to_core(peer, asker, headers, path).await;
        }
        let named = self.named(headers, host);
        let namespace = self.namespace(peer, &asker, named.as_deref()).await?;
        let endpoint = path.endpoint();
        let resource = rules::Resource::service(path.service, &endpoint);
        let Some(namespace) = namespace else {
            // In the same words as a namespace whose rules keep strangers out.
            rules::Decision::Unauthorized.check(asker.principal.as_deref(), &resource)?;
            return Err(Refused::NoRoute(path.service.to_owned()));
        };
        let rules = self.rules(&namespace).await?;
        let principal = asker.principal.as_deref();
        rules::decide(&rules, principal, &namespace, &resource).check(principal, &resource)?;
        let own = principal.is_some_and(|p| p.namespace.id == namespace.id || p.reach == Reach::Local);
        debug::check(path, principal, own)?;
        let share = match principal {
            Some(_) => None,
            None => Some(self.share(peer, namespace.id).await?),
        };
        let held = self.count(namespace.id).await?;
        let held = match share {
            Some(share) => Held::new((share, held)),
            None => held,
        };
        let nodes = only(headers, self.ports.routes.nodes(namespace.id, path.service));
        if nodes.is_empty() {
            return Err(Refused::NoRoute(path.service.to_owned()));
        }
        Ok(Admitted {
            asker,
            target: Target::Nodes { namespace, nodes },
            held,
        })
    }

    async fn admit_to_core(
        &self,
        peer: &Peer,
        asker: Asker,
        headers: &HeaderMap,
        path: Path<'_>,
    ) -> Result<Admitted, Refused> {
        if let Some(principal) = &asker.principal
            && let Some(named) = namespace_header(headers)
            && !grants(principal, named)
        {
            return Err(denied().into());
        }
        if !self.core.serves(path.service) {
            return Err(Refused::NoRoute(path.service.to_owned()));
        }
        let service = self.core.find(path)?.clone();
        if asker.principal.is_none() && !open(path) {
            let id = format!("{}.{}.{}", path.service, path.handler, path.method);
            return Err(Error::new(Kind::Unauthenticated, id, "An account is required").into());
        }
        // Behind the account: strangers are told the same of a method that does not exist.
        if INTERNAL
            .iter()
            .any(|(service, methods)| is(path, service) && methods.contains(&path.method))
        {
            return Err(Status::unknown_method(service.descriptor(), path.method).into());
        }
        let held = match &asker.principal {
            Some(principal) => self.count(principal.namespace.id).await?,
            None => {
                let rate = Rate::of(bounds::ANONYMOUS_PER_SECOND, time::Duration::SECOND);
                let key = LimitKey::rate("anonymous.per_second", peer.counted());
                self.ports
                    .limiter
                    .take(key, 1, rate, self.ports.clock.now())
                    .await
                    .map_err(Error::from)?;
                let room = self.strangers.enter(peer.counted(), bounds::ANONYMOUS_IN_FLIGHT);
                Held::new(room.map_err(Error::from)?)
            }
        };
        Ok(Admitted {
            asker,
            target: Target::Core(service),
            held,
        })
    }

    /// The most bytes that the core gathers of one body of this caller's.
    pub fn longest(&self, asker: &Asker) -> Limit {
        match &asker.principal {
            Some(_) => self.limits.body_bytes,
            None => bounds::ANONYMOUS_BYTES,
        }
    }

    /// Room in memory for the caller's messages to the core, while they are gathered.
    pub fn room(self: &Arc<Self>, asker: &Asker) -> Room {
        let namespace = asker.principal.as_ref().map(|p| p.namespace.id);
        let edge = self.clone();
        Box::new(move |bytes| match namespace {
            Some(namespace) => Ok(Box::new(edge.room_for(namespace, bytes)?) as Box<dyn Send>),
            None if bytes as u64 <= bounds::ANONYMOUS_BYTES.max => Ok(Box::new(())),
            None => {
                let limit = bounds::ANONYMOUS_BYTES;
                let text = format!(
                    "a message of {bytes} bytes is larger than the limit {} of {}",
                    limit.name, limit.max
                );
                Err(Error::new(Kind::TooLarge, "go.micro.server", text).into())
            }
        })
    }

    /// Room for one long message of a namespace; short ones need none.
    pub fn room_for(&self, namespace: NamespaceId, bytes: usize) -> Result<Option<Held>, Error> {
        let long = bytes > bounds::LONG_BYTES;
        let permit = long.then(|| self.long.enter(namespace, bounds::LONG_IN_FLIGHT));
        Ok(permit.transpose()?.map(Held::new))
    }

    /// What to hold until an answer of that length has been read, besides what the request holds already.
    pub fn room_to_answer(&self, namespace: Option<NamespaceId>, held: Held, bytes: usize) -> Result<Held, Error> {
        match namespace.filter(|_| bytes > bounds::LONG_BYTES) {
            Some(namespace) => Ok(Held::new((held, self.answers.enter(namespace, bounds::LONG_ANSWERS)?))),
            None => Ok(held),
        }
    }

    /// The namespace that a request names, by header or by host.
    fn named(&self, headers: &HeaderMap, host: Option<&str>) -> Option<String> {
        if let Some(named) = namespace_header(headers) {
            return Some(named.to_owned());
        }
        let host = host?.rsplit_once(':').map_or(host?, |(name, _)| name);
        let label = host.strip_suffix(self.apps_domain.as_deref()?)?.strip_suffix('.')?;
        Some(label.to_owned())
    }

    /// The namespace whose service is called. With an account, only what that account may enter; without one,
    /// any may be named, and its rules decide. None where there is no such namespace.
    async fn namespace(&self, peer: &Peer, asker: &Asker, named: Option<&str>) -> Result<Option<Namespace>, Error> {
        let name = match (&asker.principal, named) {
            (Some(p), None) => return Ok(Some(p.namespace.clone())),
            (Some(p), Some(named)) if named == p.namespace.name.as_str() => return Ok(Some(p.namespace.clone())),
            (Some(p), Some(named)) if !grants(p, named) => return Err(denied()),
            (_, Some(named)) => match NamespaceName::parse(named) {
                Ok(name) => name,
                Err(_) => return Ok(None),
            },
            (None, None) => NamespaceName::micro(),
        };
        let now = self.ports.clock.now();
        if let Some((found, until)) = self.known.get(&name)
            && now < until
        {
            return Ok(found);
        }
        if asker.principal.is_none() {
            // Each name that nobody asked for yet is a question to the database.
            let rate = Rate::of(bounds::LOOKED_FOR_PER_SECOND, time::Duration::SECOND);
            let key = LimitKey::rate("anonymous.looked_for", peer.counted());
            self.ports.limiter.take(key, 1, rate, now).await?;
        }
        let (namespaces, wanted) = (self.ports.namespaces.clone(), name.clone());
        let found = self.off_core(async move { namespaces.find(&wanted).await }).await?;
        self.known.insert(name, (found.clone(), now + bounds::NAMESPACE_MEMORY));
        Ok(found)
    }

    async fn rules(&self, namespace: &Namespace) -> Result<Arc<RuleSet>, Error> {
        if let Some(rules) = self.ports.rulebook.remembered(namespace) {
            return Ok(rules);
        }
        let (rulebook, namespace) = (self.ports.rulebook.clone(), namespace.clone());
        self.off_core(async move { rulebook.rules(&namespace).await }).await
    }

    /// Runs what may ask a database on the runtime that holds its connections.
    async fn off_core<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        match &self.core_runtime {
            Some(runtime) => runtime.spawn(work).await.unwrap_or_else(|e| Err(Error::internal(e))),
            None => work.await,
        }
    }

    /// Counts a stranger's request against what one address may take of a namespace's limits: nobody alone spends
    /// them.
    async fn share(&self, peer: &Peer, namespace: NamespaceId) -> Result<Held, Error> {
        let who = format!("{} {}", namespace.uuid(), peer.counted());
        let of = |limit: Limit, name| Limit {
            name,
            max: (limit.max / bounds::ADDRESSES_SHARE).max(1),
        };
        let rate = of(self.limits.requests_per_second, "requests.per_address.per_second");
        let key = LimitKey::rate(rate.name, &who);
        self.ports
            .limiter
            .take(key, 1, averaged(rate), self.ports.clock.now())
            .await?;
        let room = of(self.limits.requests_in_flight, "requests.per_address.in_flight");
        Ok(Held::new(self.strangers.enter(who, room)?))
    }

    /// Counts a request against its namespace's limits.
    async fn count(&self, namespace: NamespaceId) -> Result<Held, Error> {
        let limit = self.limits.requests_per_second;
        let key = LimitKey::rate(limit.name, namespace.uuid().as_bytes());
        self.ports
            .limiter
            .take(key, 1, averaged(limit), self.ports.clock.now())
            .await?;
        Ok(Held::new(
            self.in_flight.enter(namespace, self.limits.requests_in_flight)?,
        ))
    }

    /// See `Traffic::drained`.
    pub async fn drained(&self, instance: InstanceId, within: Duration) -> bool {
        self.instances.retire(instance);
        for pool in &self.pools {
            pool.close(instance);
        }
        tokio::time::timeout(within, self.instances.idle(instance))
            .await
            .is_ok()
    }
}

impl EdgeCore {
    pub async fn handle(&self, peer: &Peer, mut request: Request<Incoming>) -> Response<Reply> {
        let passed_on = hop::passed_on(self, peer, &mut request);
        let peer = passed_on.as_ref().unwrap_or(peer);
        let loopback = match &*peer.door {
            Door::Proxy => Some(self.edge.loopback.0),
            Door::Api => Some(self.edge.loopback.1),
            Door::Instance(_) => None,
        };
        if let Some(loopback) = loopback.filter(|_| self.edge.local)
            && !here::is_meant(&request, loopback)
        {
            return api::not_meant();
        }
        match grpc::kind(request.headers()) {
            Some(grpc::Kind::Grpc) => grpc::answer(self, peer, request).await,
            Some(grpc::Kind::Web) => grpc::answer_web(self, peer, request).await,
            // Boxed: it is longer than the others.
            None => Box::pin(api::answer(self, peer, request)).await,
        }
    }

    pub fn pool(&self) -> &Pool {
        &self.edge.pools[self.core]
    }

    /// What ends a request of that asker's that goes on for long.
    pub fn pass(&self, peer: &Peer, asker: &Asker) -> Option<Pass> {
        let (Door::Proxy | Door::Api, Some(_), Some(token)) = (&*peer.door, &asker.principal, &asker.bearer) else {
            return None;
        };
        let ports = &self.edge.ports;
        Some(Pass {
            looks: self.looks.clone(),
            verifier: ports.verifier.clone(),
            token: token.clone(),
            at: ports.clock.now(),
        })
    }
}

fn core_router(ports: &Ports, figures: &Arc<Figures>) -> Router {
    let mut router = Router::default();
    for service in &ports.core {
        let descriptor = service.descriptor();
        if (descriptor.package, descriptor.name) == ("signup", "Signup") {
            router = router.with_name(SIGNUP_OF_OLD, service.clone());
        }
        router = router.with(service.clone());
    }
    let names: HashSet<String> = router
        .names()
        .map(str::to_owned)
        .chain(["proxy".into(), "api".into()])
        .collect();
    names.iter().fold(router, |router, name| {
        router.with_name(name, debug::service(name, ports.clock.clone(), figures.clone()))
    })
}

/// The one node that a request names, or all of them.
fn only(headers: &HeaderMap, nodes: Arc<[Node]>) -> Arc<[Node]> {
    match headers.get(NODE_HEADER) {
        Some(wanted) => nodes
            .iter()
            .filter(|n| n.id.as_bytes() == wanted.as_bytes())
            .cloned()
            .collect(),
        None => nodes,
    }
}

/// So many a second, averaged over ten.
fn averaged(limit: Limit) -> Rate {
    const OVER: u32 = 10;
    let count = u32::try_from(limit.max).unwrap_or(u32::MAX).saturating_mul(OVER);
    Rate::of(count, time::Duration::seconds(i64::from(OVER)))
}

fn namespace_header(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("micro-namespace")
        .and_then(|v| v.to_str().ok())
        .filter(|n| !n.is_empty())
}

/// Whether an account may name a namespace at all: its own, and `micro`, whose rules then decide.
fn grants(principal: &Principal, named: &str) -> bool {
    named == principal.namespace.name.as_str()
        || named == NamespaceName::micro().as_str()
        || principal.reach == Reach::Local
}

fn denied() -> Error {
    Error::new(Kind::Forbidden, "go.micro.proxy", "Access denied to namespace")
}

fn open(path: Path<'_>) -> bool {
    path.endpoint() == "Debug.Health"
        || OPEN
            .iter()
            .any(|(service, methods)| is(path, service) && methods.is_none_or(|m| m.contains(&path.method)))
}

/// Whether a path leads to a service, said as `auth.Sessions`.
fn is(path: Path<'_>, service: &str) -> bool {
    service.rsplit_once('.') == Some((path.service, path.handler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_internal_is_what_asks_for_the_platform() {
        let sessions = &micro_proto::auth::descriptor::SESSIONS;
        let (_, methods) = INTERNAL[0];
        let public: Vec<_> = sessions
            .methods
            .iter()
            .map(|m| m.name)
            .filter(|m| !methods.contains(m))
            .collect();
        assert_eq!(public, ["End"], "a new method of Sessions needs a decision");
    }

    /// Each request asks for that much memory at once.
    #[test]
    fn what_a_request_takes_while_it_is_answered_is_short() {
        fn length<'a, F>(_: impl Fn(&'a EdgeCore, &'a Peer, Request<Incoming>) -> F) -> usize {
            std::mem::size_of::<F>()
        }
        let longest = length(EdgeCore::handle);
        assert!(longest <= 4_500, "{longest} bytes");
    }

    #[test]
    fn what_is_open_is_a_short_list() {
        let is_open = |path| open(Path::parse(path).expect("a path"));
        for path in [
            "/auth.Auth/Token",
            "/auth.Auth/Inspect",
            "/auth.Sessions/End",
            "/signup.Signup/Verify",
            "/signup.Session/Watch",
            "/go.micro.service.signup.Signup/Verify",
            "/store.Debug/Health",
        ] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "/auth.Auth/Generate",
            "/auth.Sessions/Start",
            "/auth.Rules/List",
            "/store.Store/Read",
            "/store.Debug/Log",
            "/signup.Other/X",
        ] {
            assert!(!is_open(path), "{path}");
        }
    }
}
