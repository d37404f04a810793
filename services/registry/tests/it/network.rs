//! The same as routes of a network.

use micro_error::Error;
use micro_proto::{
    network::{
        ConnectRequest, GraphRequest, Network, Node, NodesRequest, Query, Route, RoutesRequest, ServicesRequest,
        StatusRequest,
    },
    registry::{Options, Service},
};
use micro_tenancy::Caller;

use crate::world::{World, greeter, words};

async fn routes(world: &World, caller: &Caller, query: Query) -> Result<Vec<Route>, Error> {
    let request = RoutesRequest { query: Some(query) };
    Ok(world.registry.routes(caller, request).await?.routes)
}

fn of_network(network: &str) -> Query {
    Query {
        network: network.into(),
        ..Default::default()
    }
}

/// A greeter of a namespace, at a port, that takes requests.
async fn running(world: &World, namespace: &str, version: &str, port: u16) {
    let (instance, door) = world.instance(namespace);
    world.takes_requests(namespace, instance, port);
    world
        .register(&door, greeter(version, &format!("greeter-{port}"), port))
        .await
        .expect("an instance may");
}

#[tokio::test]
async fn a_route_leads_to_each_node_that_takes_requests() {
    let world = World::platform();
    running(&world, "ada-ns", "v1", 4712).await;
    running(&world, "ada-ns", "v2", 4711).await;
    running(&world, "bobs-ns", "v1", 4713).await;
    let (_, starting) = world.instance("ada-ns");
    world
        .register(&starting, greeter("v1", "starting", 4714))
        .await
        .expect("an instance may");
    let owner = world.owner("ada-ns");
    let found = routes(&world, &owner, Query::default()).await.expect("own");
    let said: Vec<_> = found
        .iter()
        .map(|r| format!("{} {} {} {} {}", r.service, r.address, r.network, r.metric, r.link))
        .collect();
    assert_eq!(
        said,
        [
            "greeter 10.0.0.7:4711 ada-ns 1 local",
            "greeter 10.0.0.7:4712 ada-ns 1 local"
        ]
    );
    let one = Query {
        address: "10.0.0.7:4712".into(),
        ..of_network("ada-ns")
    };
    assert_eq!(routes(&world, &owner, one).await.expect("own"), found[1..]);
    for nothing in [
        Query {
            service: "nope".into(),
            ..Default::default()
        },
        Query {
            gateway: "over-there".into(),
            ..Default::default()
        },
        Query {
            router: "somebody".into(),
            ..Default::default()
        },
    ] {
        assert_eq!(routes(&world, &owner, nothing).await.expect("own"), []);
    }
}

#[tokio::test]
async fn nobody_sees_another_networks_routes() {
    let world = World::platform();
    running(&world, "bobs-ns", "v1", 4711).await;
    let owner = world.owner("ada-ns");
    let denied = (403, "Access denied to namespace".to_owned());
    for network in ["bobs-ns", "nobodys-ns", "*", "../bobs-ns"] {
        assert_eq!(
            words(routes(&world, &owner, of_network(network)).await),
            denied,
            "{network}"
        );
    }
    assert_eq!(routes(&world, &owner, of_network("")).await.expect("own"), []);
    let nobody = routes(&world, &Caller::anonymous(), Query::default()).await;
    assert_eq!(words(nobody), (401, "An account is required".into()));
    let guest = world.guest("bobs-ns");
    assert_eq!(routes(&world, &guest, Query::default()).await.expect("own").len(), 1);
}

#[tokio::test]
async fn the_core_is_on_every_network() {
    let world = World::platform();
    world.registry.reached_at("micro.example:8081");
    running(&world, "ada-ns", "v1", 4711).await;
    let owner = world.owner("ada-ns");
    let services = Network::services(&world.registry, &owner, ServicesRequest {}).await;
    assert_eq!(services.expect("own").services, ["auth", "greeter", "store"]);
    let core = routes(&world, &owner, of_network("micro")).await.expect("public");
    let said: Vec<_> = core.iter().map(|r| format!("{} {}", r.service, r.address)).collect();
    assert_eq!(said, ["auth micro.example:8081", "store micro.example:8081"]);
}

#[tokio::test]
async fn the_network_is_this_server() {
    let world = World::platform();
    world.registry.reached_at("micro.example:8081");
    let owner = world.owner("ada-ns");
    let nodes = world.registry.nodes(&owner, NodesRequest::default()).await;
    let nodes = nodes.expect("an account").nodes;
    assert_eq!((nodes.len(), nodes[0].address.as_str()), (1, "micro.example:8081"));
    let graph = world.registry.graph(&owner, GraphRequest { depth: 9 }).await;
    let root = graph.expect("an account").root.expect("this server");
    assert_eq!(root.node.as_ref().map(|node| &node.id), Some(&nodes[0].id));
    assert!(root.peers.is_empty());
    let status = world.registry.status(&owner, StatusRequest {}).await;
    let error = status.expect("an account").status.expect("one").error;
    assert_eq!(error.expect("one").count, 0);
    let nobody = Caller::anonymous();
    assert_eq!(
        words(world.registry.nodes(&nobody, NodesRequest::default()).await).0,
        401
    );
    assert_eq!(
        words(world.registry.graph(&nobody, GraphRequest::default()).await).0,
        401
    );
    assert_eq!(words(world.registry.status(&nobody, StatusRequest {}).await).0, 401);
}

#[tokio::test]
async fn there_is_nobody_to_connect_to() {
    let world = World::platform();
    let connect = async |caller: &Caller, network: &str| {
        let node = Node {
            address: "10.0.0.9:8443".into(),
            network: network.into(),
            ..Default::default()
        };
        words(
            world
                .registry
                .connect(caller, ConnectRequest { nodes: vec![node] })
                .await,
        )
    };
    let (code, said) = connect(&world.owner("ada-ns"), "").await;
    assert!(code == 501 && said.contains("share one database"), "{code} {said}");
    assert_eq!(
        connect(&world.owner("ada-ns"), "bobs-ns").await,
        (403, "Access denied to namespace".into())
    );
    assert_eq!(connect(&world.guest("ada-ns"), "").await, (401, "Unauthorized".into()));
    assert_eq!(connect(&Caller::anonymous(), "").await.0, 401);
}

#[tokio::test]
async fn a_local_administrator_sees_every_network() {
    let world = World::local();
    let admin = world.owner("micro");
    for (domain, port) in [("", 4711), ("other", 4712)] {
        let service = Service {
            options: Some(Options {
                domain: domain.into(),
                ttl: 90,
            }),
            ..greeter("v1", "n", port)
        };
        world.register(&admin, service).await.expect("by hand");
    }
    let services = async |network: &str| {
        let found = routes(&world, &admin, of_network(network)).await.expect("local");
        found
            .into_iter()
            .map(|r| format!("{} {}", r.network, r.service))
            .collect::<Vec<_>>()
    };
    assert_eq!(services("").await, ["micro auth", "micro greeter", "micro store"]);
    assert_eq!(services("other").await, ["other greeter"]);
    assert_eq!(
        services("*").await,
        ["micro auth", "micro greeter", "other greeter", "micro store"]
    );
}
