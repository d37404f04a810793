//! `network.Network`: what is registered, as routes; and who makes up the network, which is this server. There is no
//! peering: replicas find each other in the database that they share (reference/micro-wire §2.8).

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::{
    network::{
        ConnectRequest, ConnectResponse, GraphRequest, GraphResponse, Network, Node, NodesRequest, NodesResponse, Peer,
        Query, Route, RoutesRequest, RoutesResponse, ServicesRequest, ServicesResponse, Status, StatusRequest,
        StatusResponse,
    },
    registry::Options,
};
use micro_tenancy::Caller;

use crate::{App, catalog::Space, grpc::Scope};

/// What a hop costs; all of ours are one.
const METRIC: i64 = 1;
/// Micro's word for routes that lead over no other node.
const LINK: &str = "local";

#[async_trait]
impl Network for App {
    async fn connect(&self, caller: &Caller, request: ConnectRequest) -> Result<ConnectResponse, Error> {
        let id = "network.Network.Connect";
        caller.enter_as_admin("").map_err(|e| e.with_id(id))?;
        for node in &request.nodes {
            caller.enter_as_admin(&node.network).map_err(|e| e.with_id(id))?;
        }
        let text = "This network has no peers to connect to: its servers share one database, and find each other there";
        Err(Error::new(Kind::Unimplemented, id, text))
    }

    async fn graph(&self, caller: &Caller, _: GraphRequest) -> Result<GraphResponse, Error> {
        caller.enter("").map_err(|e| e.with_id("network.Network.Graph"))?;
        Ok(GraphResponse {
            root: Some(Peer {
                node: Some(Node {
                    status: Some(status()),
                    ..self.here()
                }),
                peers: Vec::new(),
            }),
        })
    }

    async fn nodes(&self, caller: &Caller, _: NodesRequest) -> Result<NodesResponse, Error> {
        caller.enter("").map_err(|e| e.with_id("network.Network.Nodes"))?;
        Ok(NodesResponse {
            nodes: vec![self.here()],
        })
    }

    async fn routes(&self, caller: &Caller, request: RoutesRequest) -> Result<RoutesResponse, Error> {
        let query = request.query.unwrap_or_default();
        let options = Options {
            domain: query.network.clone(),
            ttl: 0,
        };
        let scope = self
            .scope(caller, Some(&options))
            .map_err(|e| e.at("network.Network.Routes"))?;
        let mut routes = self.routes_of(&scope);
        routes.retain(|route| query.selects(route));
        Ok(RoutesResponse { routes })
    }

    async fn services(&self, caller: &Caller, _: ServicesRequest) -> Result<ServicesResponse, Error> {
        let scope = self.scope(caller, None).map_err(|e| e.at("network.Network.Services"))?;
        let routes = self.routes_of(&scope).into_iter().map(|route| route.service);
        // The core is on every network.
        let mut services: Vec<String> = routes.chain(self.core.list().map(|core| core.name.clone())).collect();
        services.sort();
        services.dedup();
        Ok(ServicesResponse { services })
    }

    async fn status(&self, caller: &Caller, _: StatusRequest) -> Result<StatusResponse, Error> {
        caller.enter("").map_err(|e| e.with_id("network.Network.Status"))?;
        Ok(StatusResponse { status: Some(status()) })
    }
}

impl App {
    /// This server.
    fn here(&self) -> Node {
        let (id, address) = &*self.node;
        Node {
            id: id.clone(),
            address: address.get().cloned().unwrap_or_default(),
            ..Default::default()
        }
    }

    /// The ways to all that takes requests now, by service and address.
    fn routes_of(&self, scope: &Scope) -> Vec<Route> {
        let (core, spaces) = match scope {
            Scope::Core => (true, Vec::new()),
            Scope::Of(namespace) => (false, self.catalog.space(namespace.id).into_iter().collect()),
            Scope::Both(namespace) => (true, self.catalog.space(namespace.id).into_iter().collect()),
            Scope::Everything => (true, self.catalog.spaces()),
        };
        let core = self.core.list().filter(|_| core).map(|service| Route {
            service: service.name.clone(),
            address: self.here().address,
            network: "micro".into(),
            ..self.route()
        });
        let registered = spaces.iter().flat_map(|space| self.routes_in(space));
        let mut routes: Vec<Route> = core.chain(registered).collect();
        routes.sort_by(|a, b| (&a.service, &a.address, &a.network).cmp(&(&b.service, &b.address, &b.network)));
        routes
    }

    fn routes_in(&self, space: &Space) -> Vec<Route> {
        let now = self.parts.clock.now();
        let leases = space
            .all()
            .flat_map(|registered| registered.nodes.iter().map(move |lease| (registered, lease)));
        leases
            .filter(|(_, lease)| lease.lives(now) && self.way_to(space.namespace.id, lease).is_some())
            .map(|(registered, lease)| Route {
                service: registered.service.name.clone(),
                address: lease.node.address.clone(),
                network: space.namespace.name.to_string(),
                metadata: lease.node.metadata.clone(),
                ..self.route()
            })
            .collect()
    }

    /// What all routes have in common.
    fn route(&self) -> Route {
        Route {
            router: self.node.0.clone(),
            link: LINK.into(),
            metric: METRIC,
            ..Default::default()
        }
    }
}

/// A wanted route's fields; an empty one selects all.
trait Selects {
    fn selects(&self, route: &Route) -> bool;
}

impl Selects for Query {
    fn selects(&self, route: &Route) -> bool {
        let same = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        same(&self.service, &route.service)
            && same(&self.address, &route.address)
            && same(&self.gateway, &route.gateway)
            && same(&self.router, &route.router)
    }
}

/// Nothing is wrong while this answers.
fn status() -> Status {
    Status {
        error: Some(micro_proto::network::Error::default()),
    }
}
