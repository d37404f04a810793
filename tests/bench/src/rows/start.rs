//! Starting, and doing nothing: time to serving, and memory.

use anyhow::Result;
use micro_proto::store::{ReadRequest, Store, StoreClient};

use crate::{
    harness::{Budget, Figure, Rounds, Row, Sample, Settings},
    world::{
        local::{Home, Profile, caller},
        tenants::Tenants,
    },
};

const GROUP: &str = "start";
const MILLIS: Figure = Figure::Amount("ms");
const MEGABYTES: Figure = Figure::Amount("MB");
const KILOBYTES: Figure = Figure::Amount("kB");

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let (local, platform) = ((Profile::Local, "local server"), (Profile::Platform, "platform"));
    for ((profile, name), start, memory) in [(local, 150.0, 60.0), (platform, 500.0, 120.0)] {
        let (took, resident) = match starts(settings, profile).await {
            Ok(figures) => figures,
            Err(error) => {
                rows.push(Row::failed(GROUP, name, &error));
                continue;
            }
        };
        let row = Row::new(GROUP, format!("{name}: exec to serving, second start"), MILLIS, &took);
        rows.push(row.within(Budget::AtMost(start)));
        let row = Row::new(
            GROUP,
            format!("{name}: idle, without its database"),
            MEGABYTES,
            &resident,
        );
        rows.push(row.within(Budget::AtMost(memory)));
    }
    idle_tenants(settings, rows).await
}

/// Milliseconds to serving and megabytes when nothing is going on, of each start on the same folder but the first.
async fn starts(settings: &Settings, profile: Profile) -> Result<(Rounds, Rounds)> {
    let home = Home::new(settings, profile)?;
    home.start(None, None).await?.stop().await?;
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        let server = home.start(None, None).await?;
        took.push(amount(server.started_in.as_secs_f64() * 1e3));
        server.settle().await?;
        resident.push(amount(server.resident_bytes()? as f64 / 1e6));
        server.stop().await?;
    }
    Ok((Rounds::of("ours", took), Rounds::of("ours", resident)))
}

/// What tenants leave behind in memory that called once and then do nothing.
async fn idle_tenants(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let count = settings.size(10_000, 50);
    let tenants = Tenants::found(count);
    let home = Home::new(settings, Profile::Local)?;
    let server = home.start(None, Some(&tenants)).await?;
    let store = StoreClient::new(server.client()?);
    // The first ones make room for what all share.
    let (first, others) = tenants.tokens().split_at(count / 10);
    call_once(&store, first).await?;
    server.settle().await?;
    let before = server.resident_bytes()?;
    call_once(&store, others).await?;
    server.settle().await?;
    let each = server.resident_bytes()?.saturating_sub(before) as f64 / others.len() as f64;
    let figure = Rounds::of("ours", vec![amount(each / 1e3)]);
    let row = Row::new(
        GROUP,
        format!("memory for each of {count} tenants that called once"),
        KILOBYTES,
        &figure,
    );
    rows.push(row.within(Budget::AtMost(4.0)).noting("one round"));
    server.stop().await
}

async fn call_once<C: micro_rpc::Channel>(store: &StoreClient<C>, tokens: &[String]) -> Result<()> {
    for token in tokens {
        let read = ReadRequest {
            key: "nothing".into(),
            ..ReadRequest::default()
        };
        // There is no such record: that is an answer too.
        if let Err(error) = store.read(&caller(token), read).await {
            anyhow::ensure!(error.to_wire().code == 404, "{error}");
        }
    }
    Ok(())
}

fn amount(value: f64) -> Sample {
    Sample {
        amount: Some(value),
        ..Sample::default()
    }
}
