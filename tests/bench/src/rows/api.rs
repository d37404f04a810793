//! The HTTP API: JSON to a tenant's service, beside Envoy's transcoder in front of the same service.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;

use super::door::Doors;
use crate::{
    harness::{Budget, Contender, Figure, Row, Settings, contest},
    world::{backend, rest::Target},
};

const GROUP: &str = "api";
const CLIENTS: usize = 128;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let doors = Arc::new(Doors::open(settings).await?);
    let mut contenders = vec![contender(&doors, "ours", doors.server.at.api, "/greeter/Greeter/Hello")];
    if let Some(envoy) = &doors.envoy {
        contenders.push(contender(&doors, "Envoy", envoy.address, backend::PATH));
    }
    let rounds = contest(settings, contenders).await?;
    let what = format!("HTTP/JSON to a service, {CLIENTS} in flight");
    let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(1), "Envoy, transcoder");
    rows.push(beside(Figure::CpuMicros).within(Budget::AtMost(20.0)));
    rows.push(beside(Figure::CpuMicros).within(Budget::TimesPeer(3.0)));
    rows.push(beside(Figure::PerSecond));
    rows.push(beside(Figure::P99Micros));
    Arc::into_inner(doors).context("still in use")?.close().await
}

fn contender(doors: &Arc<Doors>, name: &'static str, address: SocketAddr, path: &'static str) -> Contender {
    let doors = doors.clone();
    let target = Target {
        address,
        path,
        tokens: doors.tokens(),
        request: Bytes::from(format!(r#"{{"name":"{}"}}"#, backend::request().text)),
        answer: Bytes::from(backend::answer_in_json()),
    };
    Contender::new(name, move |length| {
        let (doors, target) = (doors.clone(), target.clone());
        async move {
            let cpu = match &doors.envoy {
                Some(envoy) if name == "Envoy" => envoy.cpu()?,
                _ => doors.server.cpu()?,
            };
            doors.load(Some(cpu), move || target.closed(CLIENTS, length)).await
        }
    })
}
