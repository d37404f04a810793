//! Durable events of 256 bytes: many producers that each wait for their acknowledgement; and reading them again.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_clock::{Clock, SystemClock};
use micro_storage::log::{Append, Log};
use micro_tenancy::Tenant;

use super::store::{tenants, with_cpu};
use crate::{
    harness::{Budget, Contender, Figure, Row, Settings, closed_loop, contest},
    world::{
        postgres::Database,
        redis::{Durability, Redis},
    },
};

const GROUP: &str = "events";
const PRODUCERS: usize = 384;
const EVENT: [u8; 256] = [b'e'; 256];
/// Events of one read.
const PAGE: usize = 1_000;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let database = Arc::new(Database::start(&settings.dir).await?);
    let redis = Redis::start(&settings.dir, Durability::Flushed).await?.map(Arc::new);
    let tenants = tenants();
    let log: Arc<dyn Log> = Arc::new(database.log());
    for (topics, rate, p99) in [
        (1, 150_000.0, 5_000.0),
        (32, 80_000.0, 12_000.0),
        (500, 25_000.0, 40_000.0),
    ] {
        let mut contenders = vec![publish(&database, &log, &tenants, topics)];
        if let Some(redis) = &redis {
            contenders.push(add(redis, topics).await?);
        }
        let rounds = contest(settings, contenders).await?;
        let what = format!("durable events, {PRODUCERS} producers, {topics} topics");
        let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(1), "Redis XADD, flushed");
        rows.push(beside(Figure::PerSecond).within(Budget::AtLeast(rate)));
        rows.push(beside(Figure::P99Micros).within(Budget::AtMost(p99)));
        rows.push(beside(Figure::CpuMicros).noting("the database's processes alone"));
    }
    replay(settings, rows, &log, &tenants[0], redis.as_ref()).await?;
    drop(log);
    Arc::into_inner(database).context("still in use")?.stop().await;
    Ok(())
}

fn publish(database: &Arc<Database>, log: &Arc<dyn Log>, tenants: &Arc<[Tenant]>, topics: usize) -> Contender {
    let (database, log, tenants) = (database.clone(), log.clone(), tenants.clone());
    let names: Arc<[String]> = (0..topics).map(|n| format!("{topics}-{n}")).collect();
    Contender::new("ours", move |length| {
        let (database, log, tenants, names) = (database.clone(), log.clone(), tenants.clone(), names.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(PRODUCERS, length, move |producer, call| {
                let (log, tenants, names) = (log.clone(), tenants.clone(), names.clone());
                async move {
                    let topic = (producer + call as usize * PRODUCERS) % names.len();
                    let append = Append {
                        tenant: &tenants[topic % tenants.len()],
                        topic: names[topic].clone(),
                        payloads: vec![Bytes::from_static(&EVENT)],
                    };
                    let done = log.append(vec![append], SystemClock.now()).await;
                    let appended = done.into_iter().next().context("no result")??;
                    ensure!(appended.count == 1, "{appended:?}");
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

async fn add(redis: &Arc<Redis>, topics: usize) -> Result<Contender> {
    let (redis, connection) = (redis.clone(), redis.connection().await?);
    let names: Arc<[String]> = (0..topics).map(|n| format!("{topics}-{n}")).collect();
    Ok(Contender::new("Redis XADD, flushed", move |length| {
        let (redis, mut connection, names) = (redis.clone(), connection.clone(), names.clone());
        async move {
            let cpu = redis.cpu()?;
            let (shared, streams) = (connection.clone(), names.clone());
            let load = closed_loop(PRODUCERS, length, move |producer, call| {
                let (mut connection, names) = (shared.clone(), streams.clone());
                async move {
                    let topic = (producer + call as usize * PRODUCERS) % names.len();
                    let mut add = redis::cmd("XADD");
                    add.arg(&names[topic]).arg("*").arg("e").arg(&EVENT[..]);
                    let id: String = add.query_async(&mut connection).await?;
                    ensure!(id.contains('-'), "{id}");
                    Ok(())
                }
            });
            let sample = with_cpu(load.await?, &cpu)?;
            // It keeps them in memory: the next round begins without them.
            let _gone: i64 = redis::cmd("UNLINK")
                .arg(&names[..])
                .query_async(&mut connection)
                .await?;
            Ok(sample)
        }
    }))
}

async fn replay(
    settings: &Settings,
    rows: &mut Vec<Row>,
    log: &Arc<dyn Log>,
    tenant: &Tenant,
    redis: Option<&Arc<Redis>>,
) -> Result<()> {
    let pages = settings.size(200, 4);
    for _ in 0..pages {
        let append = Append {
            tenant,
            topic: "replay".into(),
            payloads: vec![Bytes::from_static(&EVENT); PAGE],
        };
        for done in log.append(vec![append], SystemClock.now()).await {
            done?;
        }
    }
    let mut contenders = vec![read(log, tenant, pages)];
    if let Some(redis) = redis {
        contenders.push(range(redis, pages).await?);
    }
    let rounds = contest(settings, contenders).await?;
    let mut row = Row::beside(
        GROUP,
        "replay by pages of 1,000",
        Figure::PerSecond,
        &rounds[0],
        rounds.get(1),
        "Redis XRANGE",
    );
    row = row.within(Budget::AtLeast(600_000.0));
    rows.push(row.noting("events a second, one reader"));
    Ok(())
}

fn read(log: &Arc<dyn Log>, tenant: &Tenant, pages: usize) -> Contender {
    let (log, tenant) = (log.clone(), Arc::new(tenant.clone()));
    Contender::new("ours", move |length| {
        let (log, tenant) = (log.clone(), tenant.clone());
        async move {
            let load = closed_loop(1, length, move |_, call| {
                let (log, tenant) = (log.clone(), tenant.clone());
                async move {
                    let from = (call as usize % pages * PAGE) as u64;
                    let entries = log.read_page(&tenant, "replay", from, PAGE, 128 << 10).await?;
                    ensure!(entries.len() == PAGE && entries[0].offset == from, "another page");
                    ensure!(entries.iter().all(|entry| entry.payload[..] == EVENT), "other events");
                    Ok(())
                }
            });
            by_event(load.await?.sample())
        }
    })
}

async fn range(redis: &Arc<Redis>, pages: usize) -> Result<Contender> {
    let mut connection = redis.connection().await?;
    for number in 0..pages * PAGE {
        let mut add = redis::cmd("XADD");
        add.arg("replay")
            .arg(format!("{}-1", number + 1))
            .arg("e")
            .arg(&EVENT[..]);
        let _id: String = add.query_async(&mut connection).await?;
    }
    Ok(Contender::new("Redis XRANGE", move |length| {
        let connection = connection.clone();
        async move {
            let load = closed_loop(1, length, move |_, call| {
                let mut connection = connection.clone();
                async move {
                    let from = call as usize % pages * PAGE + 1;
                    let mut range = redis::cmd("XRANGE");
                    range
                        .arg("replay")
                        .arg(format!("{from}-0"))
                        .arg("+")
                        .arg("COUNT")
                        .arg(PAGE);
                    let page: Vec<(String, Vec<Vec<u8>>)> = range.query_async(&mut connection).await?;
                    ensure!(
                        page.len() == PAGE && page.iter().all(|(_, e)| e[1][..] == EVENT),
                        "another page"
                    );
                    Ok(())
                }
            });
            by_event(load.await?.sample())
        }
    }))
}

/// What was counted by pages.
fn by_event(mut sample: crate::harness::Sample) -> Result<crate::harness::Sample> {
    sample.per_second = sample.per_second.map(|pages| pages * PAGE as f64);
    Ok(sample)
}
