//! The gRPC door: to a tenant's service, beside Envoy in front of the same service; and to the store.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_clock::{Clock, SystemClock};
use micro_proto::store::{ReadRequest, Record, Store, StoreClient, WriteRequest};
use micro_rpc::frame;
use micro_storage::{
    file,
    records::{Key, Records, Write},
};
use micro_testkit::tenant;
use prost::Message;

use super::{
    door::{Doors, at_least},
    store::own_cpu,
};
use crate::{
    harness::{Budget, Contender, Figure, Row, Settings, closed_loop, contest},
    world::{backend, cores::on_core, grpc::Target, local::caller},
};

const GROUP: &str = "gateway";
const IN_FLIGHT: usize = 128;
/// Connections of the callers.
const CONNECTIONS: usize = 4;
const PER_SECOND: u32 = 5_000;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let doors = Arc::new(Doors::open(settings).await?);
    saturated(settings, rows, &doors).await?;
    at_a_rate(settings, rows, &doors).await?;
    to_the_store(settings, rows, &doors).await?;
    Arc::into_inner(doors).context("still in use")?.close().await
}

fn greeter(doors: &Doors, address: SocketAddr) -> Target {
    Target {
        address,
        path: backend::PATH,
        tokens: doors.tokens(),
        request: frame(&backend::request().encode_to_vec()),
        answer: frame(&backend::answer().encode_to_vec()),
    }
}

async fn saturated(settings: &Settings, rows: &mut Vec<Row>, doors: &Arc<Doors>) -> Result<()> {
    let closed = |name: &'static str, address: SocketAddr| {
        let doors = doors.clone();
        Contender::new(name, move |length| {
            let (doors, target) = (doors.clone(), greeter(&doors, address));
            async move {
                let cpu = meter(&doors, name)?;
                doors
                    .load(cpu, move || target.closed(CONNECTIONS, IN_FLIGHT, length))
                    .await
            }
        })
    };
    let mut contenders = vec![closed("ours", doors.server.at.proxy)];
    contenders.extend(doors.envoy.as_ref().map(|envoy| closed("Envoy", envoy.address)));
    let rounds = contest(settings, contenders).await?;
    let what = format!("gRPC to a service, {IN_FLIGHT} in flight");
    let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(1), "Envoy, jwt_authn");
    rows.push(beside(Figure::CpuMicros).within(Budget::AtMost(14.0)));
    rows.push(beside(Figure::CpuMicros).within(Budget::TimesPeer(2.5)));
    rows.push(beside(Figure::PerSecond));
    rows.push(beside(Figure::P99Micros));
    Ok(())
}

async fn at_a_rate(settings: &Settings, rows: &mut Vec<Row>, doors: &Arc<Doors>) -> Result<()> {
    let open = |name: &'static str, address: SocketAddr| {
        let doors = doors.clone();
        Contender::new(name, move |length| {
            let (doors, target) = (doors.clone(), greeter(&doors, address));
            async move {
                let cpu = meter(&doors, name)?;
                let length = at_least(length);
                doors
                    .load(cpu, move || target.open(CONNECTIONS, PER_SECOND, length))
                    .await
            }
        })
    };
    let mut contenders = vec![
        open("ours", doors.server.at.proxy),
        open("the service alone", doors.backend),
    ];
    contenders.extend(doors.envoy.as_ref().map(|envoy| open("Envoy", envoy.address)));
    let rounds = contest(settings, contenders).await?;
    let what = format!("gRPC to a service, {PER_SECOND} a second");
    let alone = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(1), rounds[1].name);
    rows.push(alone(Figure::P50Micros).within(Budget::Adds(200.0)));
    rows.push(alone(Figure::P99Micros).within(Budget::Adds(700.0)));
    let envoy = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(2), "Envoy, jwt_authn");
    rows.extend([Figure::P50Micros, Figure::P99Micros, Figure::CpuMicros].map(envoy));
    Ok(())
}

/// The meter of whoever that is; none of the service alone.
fn meter(doors: &Doors, name: &str) -> Result<Option<crate::harness::Cpu>> {
    match (name, &doors.envoy) {
        ("ours", _) => doors.server.cpu().map(Some),
        ("Envoy", Some(envoy)) => envoy.cpu().map(Some),
        _ => Ok(None),
    }
}

async fn to_the_store(settings: &Settings, rows: &mut Vec<Row>, doors: &Arc<Doors>) -> Result<()> {
    let target = stored(doors).await?;
    let through = {
        let doors = doors.clone();
        Contender::new("ours", move |length| {
            let (doors, target) = (doors.clone(), target.clone());
            async move {
                let cpu = meter(&doors, "ours")?;
                doors
                    .load(cpu, move || target.closed(CONNECTIONS, IN_FLIGHT, length))
                    .await
            }
        })
    };
    let rounds = contest(settings, vec![through, alone(settings).await?]).await?;
    let what = format!("store.Read through the gRPC door, {IN_FLIGHT} in flight");
    let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], Some(&rounds[1]), rounds[1].name);
    rows.push(beside(Figure::CpuMicros).within(Budget::Adds(10.0)));
    rows.push(beside(Figure::PerSecond));
    Ok(())
}

/// The same record in every tenant's store, and how it is read.
async fn stored(doors: &Doors) -> Result<Target> {
    let store = StoreClient::new(doors.server.client()?);
    let read = ReadRequest {
        key: "key-000001".into(),
        ..ReadRequest::default()
    };
    let mut answer = None;
    for token in doors.tenants.tokens() {
        let write = WriteRequest {
            record: Some(Record {
                key: read.key.clone(),
                value: vec![b'x'; 100],
                ..Record::default()
            }),
            ..WriteRequest::default()
        };
        store.write(&caller(token), write).await?;
        let found = store.read(&caller(token), read.clone()).await?;
        ensure!(found.records.len() == 1, "{} records", found.records.len());
        answer = Some(frame(&found.encode_to_vec()));
    }
    Ok(Target {
        address: doors.server.at.proxy,
        path: "/store.Store/Read",
        tokens: doors.tokens(),
        request: frame(&read.encode_to_vec()),
        answer: answer.context("no tenant")?,
    })
}

/// The storage crate's read alone, of the same kind of file: what is left when the door is taken away.
async fn alone(settings: &Settings) -> Result<Contender> {
    let dir = tempfile::Builder::new()
        .prefix("micro-bench")
        .tempdir_in(&settings.dir)?;
    let (records, _log) = file::open(dir.path().join("records.redb"))?;
    let (records, tenant) = (Arc::new(records), Arc::new(tenant("bench-0")));
    let write = Write::put(key()?, Bytes::from_static(&[b'x'; 100]));
    records.write(&tenant, vec![write], SystemClock.now()).await?;
    Ok(Contender::new("the storage crate alone", move |length| {
        let (records, tenant, _dir) = (records.clone(), tenant.clone(), &dir);
        async move {
            let core = crate::world::cores::Cores::split()?.server;
            let cpu = own_cpu()?;
            let load = on_core(core, move || {
                closed_loop(IN_FLIGHT, length, move |_, _| {
                    let (records, tenant) = (records.clone(), tenant.clone());
                    async move {
                        let found = records.get(&tenant, &[key()?], SystemClock.now()).await?;
                        ensure!(found[0].is_some(), "it is gone");
                        Ok(())
                    }
                })
            })
            .await?;
            super::store::with_cpu(load, &cpu)
        }
    }))
}

fn key() -> Result<Key> {
    Ok(Key::tenant("bench", "bench", "key-000001")?)
}
