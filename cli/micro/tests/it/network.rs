//! The network as tables, and services' figures by node.

use std::sync::Arc;

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::{
    debug::{
        Debug, DebugServer, HealthRequest, HealthResponse, LogRequest, LogResponse, StatsRequest, StatsResponse,
        TraceRequest, TraceResponse,
    },
    network::{self, Network, NetworkServer, Peer, Route},
    registry,
};
use micro_rpc::Service;
use micro_tenancy::Caller;

use crate::{
    fake::{Fake, NAMESPACE, known},
    terminal::Terminal,
};

/// One server, and what each node answers.
struct Canned;

pub fn services() -> [Arc<dyn Service>; 2] {
    [
        Arc::new(NetworkServer::new(Arc::new(Canned))),
        Arc::new(DebugServer::new(Arc::new(Canned))),
    ]
}

pub fn node(id: &str) -> registry::Node {
    registry::Node {
        id: id.into(),
        address: "10.0.0.7:4711".into(),
        ..Default::default()
    }
}

fn here() -> network::Node {
    network::Node {
        id: "micro-1".into(),
        address: "127.0.0.1:8081".into(),
        ..Default::default()
    }
}

#[async_trait]
impl Network for Canned {
    async fn connect(&self, _: &Caller, request: network::ConnectRequest) -> Result<network::ConnectResponse, Error> {
        let text = format!("no peers such as {}", request.nodes[0].address);
        Err(Error::new(Kind::Unimplemented, "network.Network.Connect", text))
    }

    async fn graph(&self, caller: &Caller, _: network::GraphRequest) -> Result<network::GraphResponse, Error> {
        known(caller)?;
        let peer = Peer {
            node: Some(network::Node {
                id: "micro-2".into(),
                address: "127.0.0.2:8081".into(),
                ..Default::default()
            }),
            peers: vec![],
        };
        Ok(network::GraphResponse {
            root: Some(Peer {
                node: Some(here()),
                peers: vec![peer],
            }),
        })
    }

    async fn nodes(&self, caller: &Caller, _: network::NodesRequest) -> Result<network::NodesResponse, Error> {
        known(caller)?;
        Ok(network::NodesResponse { nodes: vec![here()] })
    }

    async fn routes(&self, caller: &Caller, request: network::RoutesRequest) -> Result<network::RoutesResponse, Error> {
        known(caller)?;
        let query = request.query.unwrap_or_default();
        let route = |service: &str| Route {
            service: service.into(),
            address: "10.0.0.7:4711".into(),
            network: query.network.clone(),
            router: "micro-1".into(),
            link: "local".into(),
            metric: 1,
            ..Default::default()
        };
        let mut routes = vec![route("greeter"), route("alpha")];
        routes.retain(|route| query.service.is_empty() || route.service == query.service);
        Ok(network::RoutesResponse { routes })
    }

    async fn services(&self, caller: &Caller, _: network::ServicesRequest) -> Result<network::ServicesResponse, Error> {
        known(caller)?;
        Ok(network::ServicesResponse {
            services: vec!["greeter".into(), "auth".into()],
        })
    }

    async fn status(&self, _: &Caller, _: network::StatusRequest) -> Result<network::StatusResponse, Error> {
        Ok(network::StatusResponse::default())
    }
}

#[async_trait]
impl Debug for Canned {
    async fn health(&self, _: &Caller, _: HealthRequest) -> Result<HealthResponse, Error> {
        Ok(HealthResponse { status: "ok".into() })
    }

    async fn stats(&self, caller: &Caller, _: StatsRequest) -> Result<StatsResponse, Error> {
        known(caller)?;
        let node = caller.metadata().get("micro-node").map_or("", String::as_str);
        Ok(StatsResponse {
            started: 1_767_225_600,
            uptime: 90,
            memory: 1_572_864,
            threads: if node.is_empty() {
                9
            } else {
                node[node.len() - 1..].parse().expect("a number")
            },
            ..Default::default()
        })
    }

    async fn log(&self, _: &Caller, _: LogRequest) -> Result<LogResponse, Error> {
        Ok(LogResponse::default())
    }

    async fn trace(&self, _: &Caller, _: TraceRequest) -> Result<TraceResponse, Error> {
        Ok(TraceResponse::default())
    }
}

#[test]
fn the_network_is_shown_in_boxes() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let routes = format!(
        "+---------+---------------+---------+---------+-------------------+--------+-------+\n\
         | SERVICE |    ADDRESS    | GATEWAY | ROUTER  |      NETWORK      | METRIC | LINK  |\n\
         +---------+---------------+---------+---------+-------------------+--------+-------+\n\
         | alpha   | 10.0.0.7:4711 |         | micro-1 | {NAMESPACE} |      1 | local |\n\
         | greeter | 10.0.0.7:4711 |         | micro-1 | {NAMESPACE} |      1 | local |\n\
         +---------+---------------+---------+---------+-------------------+--------+-------+\n\n"
    );
    assert_eq!(ada.run(&["network", "routes"]), (routes, String::new(), 0));
    let one = ada.run(&["network", "routes", "--service", "greeter", "--network", "micro"]);
    assert!(one.0.contains("| micro   |") && !one.0.contains("alpha"), "{}", one.0);
    assert_eq!(
        ada.run(&["network", "routes", "--service", "nope"]),
        (String::new(), String::new(), 0)
    );
    assert_eq!(
        ada.run(&["network", "nodes"]).0,
        "+---------+----------------+\n|   ID    |    ADDRESS     |\n+---------+----------------+\n\
         | micro-1 | 127.0.0.1:8081 |\n+---------+----------------+\n\n"
    );
    assert_eq!(
        ada.run(&["network", "connections"]).0,
        "+---------+----------------+\n|  NODE   |    ADDRESS     |\n+---------+----------------+\n\
         | micro-2 | 127.0.0.2:8081 |\n+---------+----------------+\n\n"
    );
    assert_eq!(ada.run(&["network", "services"]).0, "auth\ngreeter\n");
    let graph = ada.run(&["network", "graph"]).0;
    assert!(
        graph.starts_with("{\n\t\"node\": {\n\t\t\"id\": \"micro-1\"") && graph.ends_with("}\n"),
        "{graph}"
    );
}

#[test]
fn the_network_is_shown_to_programs() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    for (what, path) in [
        ("routes", "/0/service"),
        ("nodes", "/0/id"),
        ("connections", "/0/address"),
        ("services", "/0"),
    ] {
        let (out, _, exit) = ada.run(&["network", what, "-o", "json"]);
        let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert!(
            exit == 0 && value.pointer(path).is_some_and(|v| v.is_string()),
            "{what}: {out}"
        );
    }
}

#[test]
fn what_the_network_has_not_is_said() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let refused = |args: &[&str], words: &str, exit| {
        assert_eq!(ada.run(args), (String::new(), format!("{words}\n"), exit), "{args:?}")
    };
    refused(
        &["network", "connect", "10.0.0.9:8443"],
        "no peers such as 10.0.0.9:8443",
        127,
    );
    refused(
        &["network", "nope"],
        "Unrecognized subcommand for micro network: nope. Please refer to 'micro network --help'",
        1,
    );
    let help = ada.run(&["network"]);
    assert!(help.0.contains("routes") && help.2 == 0, "{}", help.0);
    assert_eq!(ada.run(&["network", "connect"]).2, 1);
}

#[test]
fn each_node_has_figures_of_its_own() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let shown = "SERVICE    greeter\n\nVERSION    latest\n\n\
        NODE         ADDRESS:PORT     STARTED           UPTIME    MEMORY    THREADS    GC\n\
        greeter-1    10.0.0.7:4711    Jan 1 00:00:00    1m30s     1.50mb    1          0ns\n\
        greeter-2    10.0.0.7:4711    Jan 1 00:00:00    1m30s     1.50mb    2          0ns\n\n";
    assert_eq!(ada.run(&["stats", "greeter"]), (shown.into(), String::new(), 0));
    assert_eq!(ada.run(&["stats", "--all", "custom"]).0, shown);
    let core = ada.run(&["stats", "store"]).0;
    assert!(
        core.contains("\nstore    127.0.0.1:") && core.contains("1.50mb    9"),
        "{core}"
    );
    let (json, _, _) = ada.run(&["stats", "greeter", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&value[1]["node"], &value[1]["stats"]["threads"]),
        (&"greeter-2".into(), &"2".into())
    );
    assert_ne!(ada.run(&["stats", "--all", "nonsense"]).2, 0);
    assert_ne!(ada.run(&["stats", "--all", "custom", "greeter"]).2, 0);
}

#[test]
fn a_call_goes_through_the_door_and_to_no_address_of_its_own() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let (out, err, exit) = ada.run(&["call", "--address", "10.0.0.9:4711", "greeter", "Greeter.Hello", "{}"]);
    assert!(out.is_empty() && exit == 1 && err.contains("--address"), "{err}");
}

#[test]
fn a_service_is_shown_with_what_it_offers() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let shown = "NAME:\n\tgreeter\n\nVERSION:\n\tlatest\n\n\
        NODES:\n\tgreeter-1\t10.0.0.7:4711\n\tgreeter-2\t10.0.0.7:4711\n\n\
        ENDPOINTS:\n\
        \tGreeter.Stream (stream)\n\t\trequest Request {\n\t\t\tcount int64\n\t\t}\n\
        \tGreeter.Hello\n\t\trequest Request {\n\t\t\tname string\n\t\t\toptions Options {\n\
        \t\t\t\tloud bool\n\t\t\t\tmax_words int64\n\t\t\t}\n\t\t}\n\
        \tGreeter.Pay\n\t\trequest Request\n";
    assert_eq!(ada.run(&["services", "greeter"]), (shown.into(), String::new(), 0));
    let (json, _, _) = ada.run(&["services", "greeter", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value[0]["endpoints"][1]["name"], "Greeter.Hello");
    assert_eq!(
        ada.run(&["services", "nothing"]),
        (String::new(), "Service not found\n".into(), 1)
    );
}
