//! Durable writes: acknowledged when they are on disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_clock::{Clock, SystemClock};
use micro_storage::records::{Key, Records, Write, Written};
use micro_tenancy::Tenant;
use secrecy::ExposeSecret;
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::store::{tenants, with_cpu};
use crate::{
    harness::{Budget, Contender, Figure, Row, Settings, closed_loop, contest},
    world::{
        pgbench::Pgbench,
        postgres::Database,
        redis::{Durability, Redis},
    },
};

const GROUP: &str = "write";
const VALUE: usize = 100;
/// Sessions of those that take one for each write under way.
const SESSIONS: usize = 32;

/// A table like Micro's, without isolation.
const PLAIN: &str = "create table bench_plain (
    namespace_id uuid not null, database text not null, tbl text not null, key text not null,
    value bytea not null, version bigint not null, expires_at timestamptz,
    primary key (namespace_id, database, tbl, key))";

/// Numbers that were not used before, so that each write is of a new row.
type Fresh = Arc<AtomicU64>;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let database = Arc::new(Database::start(&settings.dir).await?);
    database.owner().await?.batch_execute(PLAIN).await?;
    let pool = PgPoolOptions::new()
        .max_connections(SESSIONS as u32)
        .connect(database.urls().owner.expose_secret())
        .await?;
    let pgbench = Pgbench::prepare(database.urls(), 1).await?;
    let redis = Redis::start(&settings.dir, Durability::Flushed).await?.map(Arc::new);
    let (tenants, fresh) = (tenants(), Fresh::default());
    for clients in [32, 128] {
        let mut contenders = vec![
            ours(&database, &tenants, &fresh, clients),
            bare(&database, &pool, &fresh, clients),
        ];
        if let Some(pgbench) = pgbench.clone() {
            contenders.push(theirs(&database, pgbench, SESSIONS));
        }
        if let Some(redis) = &redis {
            contenders.push(redis_writes(redis, &fresh, clients).await?);
        }
        let rounds = contest(settings, contenders).await?;
        let peer = |name| rounds.iter().find(|peer| peer.name == name);
        let what = format!("durable write, {clients} clients");
        let beside = |figure, name| Row::beside(GROUP, &what, figure, &rounds[0], peer(name), name);
        let rate = beside(Figure::PerSecond, "bare insert");
        rows.push(match clients {
            32 => rate.within(Budget::TimesPeer(1.3)),
            _ => rate.within(Budget::AtLeast(40_000.0)),
        });
        rows.push(beside(Figure::P99Micros, "bare insert"));
        rows.push(beside(Figure::CpuMicros, "bare insert").noting("the database's processes alone"));
        rows.push(beside(Figure::PerSecond, "pgbench insert"));
        rows.push(beside(Figure::PerSecond, "Redis SET, flushed"));
    }
    pool.close().await;
    Arc::into_inner(database).context("still in use")?.stop().await;
    Ok(())
}

fn ours(database: &Arc<Database>, tenants: &Arc<[Tenant]>, fresh: &Fresh, clients: usize) -> Contender {
    let (database, tenants, fresh) = (database.clone(), tenants.clone(), fresh.clone());
    let records = Arc::new(database.records());
    Contender::new("ours", move |length| {
        let (database, tenants, fresh, records) = (database.clone(), tenants.clone(), fresh.clone(), records.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(clients, length, move |client, _| {
                let (tenants, records, number) = (tenants.clone(), records.clone(), next(&fresh));
                async move {
                    let key = Key::tenant("bench", "bench", key(number))?;
                    let write = Write::put(key, Bytes::from_static(&[b'x'; VALUE]));
                    let tenant = &tenants[client % tenants.len()];
                    let written = records.write(tenant, vec![write], SystemClock.now()).await?;
                    ensure!(matches!(written, Written::Done(_)), "{written:?}");
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

fn bare(database: &Arc<Database>, pool: &PgPool, fresh: &Fresh, clients: usize) -> Contender {
    let (database, pool, fresh) = (database.clone(), pool.clone(), fresh.clone());
    let namespace = micro_testkit::tenant("bench-0").id().uuid();
    Contender::new("bare insert", move |length| {
        let (database, pool, fresh) = (database.clone(), pool.clone(), fresh.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(clients, length, move |_, _| {
                let (pool, number) = (pool.clone(), next(&fresh));
                async move {
                    let insert = "insert into bench_plain (namespace_id, database, tbl, key, value, version)
                                  values ($1, $2, $3, $4, $5, $6)";
                    let done = sqlx::query(insert)
                        .bind(namespace)
                        .bind("bench")
                        .bind("bench")
                        .bind(key(number))
                        .bind(&[b'x'; VALUE][..])
                        .bind(1_i64)
                        .execute(&pool)
                        .await?;
                    ensure!(done.rows_affected() == 1, "not inserted");
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

fn theirs(database: &Arc<Database>, pgbench: Pgbench, clients: usize) -> Contender {
    let namespace = micro_testkit::tenant("bench-0").id().uuid();
    let script = format!(
        "\\set id random(1, 9000000000000000)\n\
         insert into bench_plain (namespace_id, database, tbl, key, value, version) \
         values ('{namespace}', 'bench', 'bench', 'p-' || :id, decode(repeat('78', {VALUE}), 'hex'), 1);\n"
    );
    let database = database.clone();
    Contender::new("pgbench insert", move |length| {
        let (database, pgbench, script) = (database.clone(), pgbench.clone(), script.clone());
        async move {
            let cpu = database.cpu()?;
            pgbench.script(&cpu, clients, length, &script).await
        }
    })
}

async fn redis_writes(redis: &Arc<Redis>, fresh: &Fresh, clients: usize) -> Result<Contender> {
    let (redis, connection, fresh) = (redis.clone(), redis.connection().await?, fresh.clone());
    Ok(Contender::new("Redis SET, flushed", move |length| {
        let (redis, connection, fresh) = (redis.clone(), connection.clone(), fresh.clone());
        async move {
            let cpu = redis.cpu()?;
            let load = closed_loop(clients, length, move |_, _| {
                let (mut connection, number) = (connection.clone(), next(&fresh));
                async move {
                    let mut set = redis::cmd("SET");
                    set.arg(key(number)).arg(&[b'x'; VALUE][..]);
                    let said: String = set.query_async(&mut connection).await?;
                    ensure!(said == "OK", "{said}");
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    }))
}

fn next(fresh: &Fresh) -> u64 {
    fresh.fetch_add(1, Ordering::Relaxed)
}

fn key(number: u64) -> String {
    format!("w-{number:012}")
}
