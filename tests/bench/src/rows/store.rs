//! Point reads under row-level security, at the storage crate.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use micro_clock::{Clock, SystemClock};
use micro_storage::records::{Key, Records};
use micro_tenancy::Tenant;
use micro_testkit::tenant;

use crate::{
    harness::{Budget, Contender, Cpu, Figure, Load, Row, Sample, Settings, Whose, closed_loop, contest},
    world::{
        pgbench::Pgbench,
        postgres::Database,
        redis::{Durability, Redis},
    },
};

const GROUP: &str = "store";
/// Namespaces that ask in turns.
const TENANTS: usize = 8;
/// Bytes of a value: about as many as one of pgbench's rows has.
const VALUE: usize = 100;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let database = Arc::new(Database::start(&settings.dir).await?);
    let tenants = tenants();
    let keys = settings.size(12_500, 100);
    for tenant in tenants.iter() {
        fill(&database, tenant, "bench", keys).await?;
    }
    database.owner().await?.batch_execute("analyze records").await?;
    let pgbench = Pgbench::prepare(database.urls(), 1).await?;
    let redis = Redis::start(&settings.dir, Durability::None).await?.map(Arc::new);
    if let Some(redis) = &redis {
        fill_redis(redis, keys).await?;
    }
    for (clients, times) in [(1, 0.55), (8, 0.5), (32, 0.7)] {
        let mut contenders = vec![ours(&database, &tenants, keys, clients)];
        if let Some(pgbench) = pgbench.clone() {
            contenders.push(theirs(&database, pgbench, clients));
        }
        if let Some(redis) = &redis {
            contenders.push(redis_reads(redis, keys, clients).await?);
        }
        let rounds = contest(settings, contenders).await?;
        let peer = |name| rounds.iter().find(|peer| peer.name == name);
        let what = format!("point read under RLS, {clients} clients");
        let beside = |figure, name| Row::beside(GROUP, &what, figure, &rounds[0], peer(name), name);
        rows.push(beside(Figure::PerSecond, "pgbench -S").within(Budget::TimesPeer(times)));
        rows.push(beside(Figure::CpuMicros, "pgbench -S").noting("the database's processes alone"));
        rows.push(beside(Figure::PerSecond, "Redis GET"));
        rows.push(beside(Figure::P99Micros, "Redis GET"));
    }
    Arc::into_inner(database).context("still in use")?.stop().await;
    Ok(())
}

pub fn tenants() -> Arc<[Tenant]> {
    (0..TENANTS).map(|number| tenant(&format!("bench-{number}"))).collect()
}

/// Keys `key-000000` and so on of a namespace, in the database `bench`.
pub async fn fill(database: &Database, tenant: &Tenant, table: &str, keys: usize) -> Result<()> {
    let namespace = tenant.id().uuid();
    let statement = format!(
        "begin; select set_config('app.namespace_id', '{namespace}', true);
         insert into records (namespace_id, database, tbl, key, value, version)
         select '{namespace}', 'bench', '{table}', 'key-' || lpad(i::text, 6, '0'), convert_to(repeat('x', {VALUE}), 'UTF8'), 1
         from generate_series(0, {keys} - 1) i;
         commit"
    );
    database.serving().await?.batch_execute(&statement).await?;
    Ok(())
}

pub fn name(number: usize) -> String {
    format!("key-{number:06}")
}

/// A number that jumps about, the same for the same client and call.
pub fn scattered(client: usize, call: u64, below: usize) -> usize {
    let mixed = (call ^ (client as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) % below as u64) as usize
}

fn ours(database: &Arc<Database>, tenants: &Arc<[Tenant]>, keys: usize, clients: usize) -> Contender {
    let (database, tenants) = (database.clone(), tenants.clone());
    let records = Arc::new(database.records());
    Contender::new("ours", move |length| {
        let (database, tenants, records) = (database.clone(), tenants.clone(), records.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(clients, length, move |client, call| {
                let (tenants, records) = (tenants.clone(), records.clone());
                async move {
                    let key = Key::tenant("bench", "bench", name(scattered(client, call, keys)))?;
                    let found = records
                        .get(&tenants[client % TENANTS], &[key], SystemClock.now())
                        .await?;
                    ensure!(
                        found[0].as_ref().is_some_and(|r| r.value.len() == VALUE),
                        "another record"
                    );
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

fn theirs(database: &Arc<Database>, pgbench: Pgbench, clients: usize) -> Contender {
    let database = database.clone();
    Contender::new("pgbench -S", move |length| {
        let (database, pgbench) = (database.clone(), pgbench.clone());
        async move {
            let cpu = database.cpu()?;
            pgbench.reads(&cpu, clients, length).await
        }
    })
}

async fn redis_reads(redis: &Arc<Redis>, keys: usize, clients: usize) -> Result<Contender> {
    let (redis, connection) = (redis.clone(), redis.connection().await?);
    Ok(Contender::new("Redis GET", move |length| {
        let (redis, connection) = (redis.clone(), connection.clone());
        async move {
            let cpu = redis.cpu()?;
            let load = closed_loop(clients, length, move |client, call| {
                let mut connection = connection.clone();
                async move {
                    let key = name(scattered(client, call, keys));
                    let value: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
                    ensure!(value.len() == VALUE, "another value");
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    }))
}

async fn fill_redis(redis: &Redis, keys: usize) -> Result<()> {
    let mut connection = redis.connection().await?;
    for number in 0..keys {
        let set: () = redis::cmd("SET")
            .arg(name(number))
            .arg(vec![b'x'; VALUE])
            .query_async(&mut connection)
            .await?;
        let () = set;
    }
    Ok(())
}

/// The load as a sample, with what was spent for each operation.
pub fn with_cpu(load: Load, cpu: &Cpu) -> Result<Sample> {
    let cpu_micros = cpu.micros_each(load.operations)?;
    Ok(Sample {
        cpu_micros,
        ..load.sample()
    })
}

/// The meter of this process, for what runs in it.
pub fn own_cpu() -> Result<Cpu> {
    Cpu::of(Whose::Own)
}
