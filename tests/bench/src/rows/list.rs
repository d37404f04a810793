//! A hundred keys by their prefix, among very many.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use micro_clock::{Clock, SystemClock};
use micro_storage::records::{Records, Scan};
use micro_testkit::tenant;
use tokio_postgres::{Client, Statement};

use super::store::{fill, scattered, with_cpu};
use crate::{
    harness::{Budget, Contender, Figure, Row, Settings, closed_loop, contest},
    world::postgres::Database,
};

const GROUP: &str = "list";
const CLIENTS: usize = 4;
const FOUND: usize = 100;

/// The same rows without row-level security.
const COPY: &str = "create table bench_open as table records with no data;
    alter table bench_open add primary key (namespace_id, database, tbl, key);
    grant insert, select on bench_open to micro_serving";
const SELECT: &str = "select key, value, version, expires_at from bench_open
    where namespace_id = $1 and database = $2 and tbl = $3 and key >= $4 and key < $5
      and (expires_at is null or expires_at > $6)
    order by key limit 100";

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let database = Arc::new(Database::start(&settings.dir).await?);
    let keys = settings.size(300_000, 1_000);
    let owner = database.owner().await?;
    owner.batch_execute(COPY).await?;
    fill(&database, &tenant("bench-0"), "list", keys).await?;
    let namespace = tenant("bench-0").id().uuid();
    let copy = format!(
        "begin; select set_config('app.namespace_id', '{namespace}', true);
         insert into bench_open select * from records; commit"
    );
    database.serving().await?.batch_execute(&copy).await?;
    owner.batch_execute("analyze records; analyze bench_open").await?;
    let prefixes = keys / FOUND;
    let select = owner.prepare(SELECT).await?;
    let contenders = vec![ours(&database, prefixes), without(&database, owner, select, prefixes)];
    let rounds = contest(settings, contenders).await?;
    let what = format!("prefix list of {FOUND} among {keys}");
    let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], Some(&rounds[1]), "without RLS");
    // At most 1.3 times as long.
    rows.push(beside(Figure::PerSecond).within(Budget::TimesPeer(0.77)));
    rows.push(beside(Figure::CpuMicros).noting("the database's processes alone"));
    Arc::into_inner(database).context("still in use")?.stop().await;
    Ok(())
}

/// A prefix that a hundred keys begin with.
fn prefix(number: usize) -> String {
    format!("key-{number:04}")
}

fn ours(database: &Arc<Database>, prefixes: usize) -> Contender {
    let (database, tenant) = (database.clone(), Arc::new(tenant("bench-0")));
    let records = Arc::new(database.records());
    Contender::new("ours", move |length| {
        let (database, tenant, records) = (database.clone(), tenant.clone(), records.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(CLIENTS, length, move |client, call| {
                let (tenant, records) = (tenant.clone(), records.clone());
                async move {
                    let prefix = prefix(scattered(client, call, prefixes));
                    let scan = Scan::tenant("bench", "list", &prefix)?.limit(FOUND);
                    let found = records.scan(&tenant, scan, SystemClock.now()).await?;
                    ensure!(found.len() == FOUND, "{} records", found.len());
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

fn without(database: &Arc<Database>, client: Client, select: Statement, prefixes: usize) -> Contender {
    let (database, client) = (database.clone(), Arc::new(client));
    let namespace = tenant("bench-0").id().uuid();
    Contender::new("without RLS", move |length| {
        let (database, client, select) = (database.clone(), client.clone(), select.clone());
        async move {
            let cpu = database.cpu()?;
            let load = closed_loop(CLIENTS, length, move |number, call| {
                let (client, select) = (client.clone(), select.clone());
                async move {
                    let from = prefix(scattered(number, call, prefixes));
                    let to = format!("{from}:");
                    let now = SystemClock.now();
                    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                        [&namespace, &"bench", &"list", &from, &to, &now];
                    let found = client.query(&select, &values).await?;
                    ensure!(found.len() == FOUND, "{} rows", found.len());
                    Ok(())
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}
