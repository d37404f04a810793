//! Power cuts under a local server: what it acknowledged is there afterwards, whole, whichever service took it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use micro_client::{Client, Endpoint};
use micro_e2e::{local::Local, moments::Moments};
use micro_error::{Error, Kind};
use micro_proto::{
    auth::{Accounts, AccountsClient, Auth, AuthClient, GenerateRequest, ListAccountsRequest, TokenRequest},
    config::{Config, ConfigClient, GetRequest, SetRequest, Value},
    events::{PublishRequest, Store as EventStore, StoreClient as EventStoreClient, Stream, StreamClient},
    store::{
        BlobReadRequest, BlobStore, BlobStoreClient, BlobWriteRequest, ReadOptions, ReadRequest, Record, Store,
        StoreClient, WriteRequest,
    },
};
use micro_tenancy::{Caller, Metadata};
use tokio::sync::mpsc;

/// How often the server is killed under load.
const KILLS: u32 = 50;
/// A blob is several messages long, so that a kill may fall between two.
const BLOB: usize = 200 << 10;
const MESSAGE: usize = 32 << 10;
const NAMESPACE: &str = "micro";

/// Who takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Taker {
    Store,
    Config,
    Events,
    Accounts,
    Blobs,
}

const ALL: [Taker; 5] = [
    Taker::Store,
    Taker::Config,
    Taker::Events,
    Taker::Accounts,
    Taker::Blobs,
];

/// What is written under a number: long enough that half of it would show.
fn words(number: u64) -> String {
    format!("survivor-{number} ").repeat(20)
}

fn blob(number: u64) -> Bytes {
    words(number).bytes().cycle().take(BLOB).collect()
}

/// The administrator, over a connection of its own.
struct Admin {
    client: Client,
    caller: Caller,
}

impl Admin {
    async fn log_in(local: &Local) -> Result<Self> {
        let client = Client::connect(Endpoint::parse(&local.at.proxy.to_string())?).await?;
        let client = client.with_timeout(Duration::from_secs(30));
        let request = TokenRequest {
            id: "admin".into(),
            secret: "micro".into(),
            token_expiry: 3_600,
            ..Default::default()
        };
        let anybody = Caller::outgoing(None, Metadata::new());
        let answer = AuthClient::new(client.clone()).token(&anybody, request).await?;
        let token = answer.token.context("a token")?.access_token;
        let caller = Caller::outgoing(Some(token.into()), Metadata::new());
        Ok(Self { client, caller })
    }

    async fn write(&self, to: Taker, number: u64) -> Result<(), Error> {
        let client = self.client.clone();
        match to {
            Taker::Store => {
                let record = Record {
                    key: format!("survivors/{number}"),
                    value: words(number).into(),
                    ..Default::default()
                };
                let request = WriteRequest {
                    record: Some(record),
                    options: None,
                };
                StoreClient::new(client).write(&self.caller, request).await.map(drop)
            }
            Taker::Config => {
                let request = SetRequest {
                    namespace: NAMESPACE.into(),
                    path: format!("survivors.{number}"),
                    value: Some(Value {
                        data: serde_json::Value::from(words(number)).to_string(),
                        format: "json".into(),
                    }),
                    options: None,
                };
                ConfigClient::new(client).set(&self.caller, request).await.map(drop)
            }
            Taker::Events => {
                let request = PublishRequest {
                    topic: "survivors".into(),
                    payload: words(number).into(),
                    ..Default::default()
                };
                StreamClient::new(client).publish(&self.caller, request).await.map(drop)
            }
            Taker::Accounts => {
                let request = GenerateRequest {
                    id: format!("survivor-{number}"),
                    secret: words(number),
                    ..Default::default()
                };
                AuthClient::new(client).generate(&self.caller, request).await.map(drop)
            }
            Taker::Blobs => {
                let blob = blob(number);
                let messages = (0..BLOB).step_by(MESSAGE).map(move |at| {
                    Ok(BlobWriteRequest {
                        key: format!("survivors/{number}"),
                        blob: blob.slice(at..BLOB.min(at + MESSAGE)).into(),
                        ..Default::default()
                    })
                });
                let messages = stream::iter(messages).boxed();
                BlobStoreClient::new(client)
                    .write(&self.caller, messages)
                    .await
                    .map(drop)
            }
        }
    }

    /// The numbers that are there, of those asked for. Fails on one that is there in part.
    async fn found(&self, with: Taker, asked: &BTreeSet<u64>) -> Result<BTreeSet<u64>> {
        let client = self.client.clone();
        let whole = |number: u64, text: &[u8]| {
            ensure!(text == words(number).as_bytes(), "{with:?} keeps {number} in part");
            Ok(number)
        };
        match with {
            Taker::Store => {
                let options = ReadOptions {
                    prefix: true,
                    ..Default::default()
                };
                let request = ReadRequest {
                    key: "survivors/".into(),
                    options: Some(options),
                };
                let answer = StoreClient::new(client).read(&self.caller, request).await?;
                let records = answer.records.into_iter();
                records
                    .map(|r| whole(r.key.trim_start_matches("survivors/").parse()?, &r.value))
                    .collect()
            }
            Taker::Config => {
                let request = GetRequest {
                    namespace: NAMESPACE.into(),
                    path: "survivors".into(),
                    options: None,
                };
                let answer = ConfigClient::new(client).get(&self.caller, request).await?;
                let tree: BTreeMap<String, String> = serde_json::from_str(&answer.value.context("a value")?.data)?;
                tree.into_iter()
                    .map(|(key, text)| whole(key.parse()?, text.as_bytes()))
                    .collect()
            }
            Taker::Events => {
                let request = micro_proto::events::ReadRequest {
                    topic: "survivors".into(),
                    limit: 100_000,
                    offset: 0,
                };
                let answer = EventStoreClient::new(client).read(&self.caller, request).await?;
                answer
                    .events
                    .iter()
                    .map(|event| {
                        let text = String::from_utf8_lossy(&event.payload);
                        let number = text
                            .trim_start_matches("survivor-")
                            .split(' ')
                            .next()
                            .unwrap_or_default();
                        whole(number.parse()?, &event.payload)
                    })
                    .collect()
            }
            Taker::Accounts => {
                let accounts = AccountsClient::new(client.clone());
                let answer = accounts.list(&self.caller, ListAccountsRequest::default()).await?;
                let ids = answer.accounts.iter().filter_map(|a| a.id.strip_prefix("survivor-"));
                let found: BTreeSet<u64> = ids.map(str::parse).collect::<Result<_, _>>()?;
                // An account is whole if its secret opens it.
                for number in asked.iter().filter(|n| found.contains(n)) {
                    let request = TokenRequest {
                        id: format!("survivor-{number}"),
                        secret: words(*number),
                        ..Default::default()
                    };
                    let anybody = Caller::outgoing(None, Metadata::new());
                    let opened = AuthClient::new(client.clone()).token(&anybody, request).await;
                    opened.with_context(|| format!("account {number} is there in part"))?;
                }
                Ok(found)
            }
            Taker::Blobs => {
                let blobs = BlobStoreClient::new(client);
                let mut found = BTreeSet::new();
                for number in asked {
                    let request = BlobReadRequest {
                        key: format!("survivors/{number}"),
                        ..Default::default()
                    };
                    let read: Result<Vec<_>, Error> = match blobs.read(&self.caller, request).await {
                        Ok(messages) => messages.try_collect().await,
                        Err(e) => Err(e),
                    };
                    match read {
                        Ok(messages) => {
                            let bytes = messages.iter().flat_map(|m| m.blob.iter().copied());
                            ensure!(bytes.eq(blob(*number)), "blob {number} is there in part");
                            found.insert(*number);
                        }
                        Err(e) if e.kind() == Kind::NotFound => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                Ok(found)
            }
        }
    }
}

/// What was tried and what was acknowledged, per taker.
#[derive(Default)]
struct History {
    begun: BTreeMap<Taker, u64>,
    acknowledged: BTreeMap<Taker, BTreeSet<u64>>,
}

impl History {
    /// Writes to every service at once until the server dies; it does after so many acknowledgements.
    async fn write_until_killed(&mut self, local: &mut Local, after: u64) -> Result<()> {
        let (tell, mut hear) = mpsc::unbounded_channel();
        let admin = Admin::log_in(local).await?;
        let writers = ALL.map(|to| {
            let (admin, tell, mut number) = (&admin, tell.clone(), self.begun.get(&to).copied().unwrap_or(0));
            async move {
                let mut acknowledged = vec![];
                loop {
                    number += 1;
                    match admin.write(to, number).await {
                        Ok(()) => {
                            acknowledged.push(number);
                            tell.send(()).ok();
                        }
                        Err(e) => return (to, number, acknowledged, e),
                    }
                }
            }
        });
        let kill = async {
            for _ in 0..after {
                hear.recv().await;
            }
            local.server().kill()
        };
        let (killed, wrote) = tokio::time::timeout(Duration::from_secs(120), async {
            tokio::join!(kill, join_all(writers))
        })
        .await
        .context("the writers never end")?;
        killed?;
        for (to, begun, acknowledged, e) in wrote {
            ensure!(
                !matches!(e.kind(), Kind::TooMany | Kind::TooLarge),
                "the test asks for too much: {e}"
            );
            self.begun.insert(to, begun);
            self.acknowledged.entry(to).or_default().extend(acknowledged);
        }
        Ok(())
    }

    /// Everything acknowledged is there, nothing is there in part, and nothing that nobody wrote. The numbers from
    /// `newest` on are looked at closely.
    async fn holds(&self, local: &Local, newest: impl Fn(Taker) -> u64) -> Result<()> {
        let admin = Admin::log_in(local).await?;
        for of in ALL {
            let begun = self.begun.get(&of).copied().unwrap_or(0);
            let asked: BTreeSet<u64> = (newest(of).max(1)..=begun).collect();
            let found = admin.found(of, &asked).await?;
            let close_only = of == Taker::Blobs;
            let acknowledged = self.acknowledged.get(&of).into_iter().flatten();
            let lost: Vec<_> = acknowledged
                .filter(|n| (!close_only || asked.contains(n)) && !found.contains(n))
                .collect();
            ensure!(lost.is_empty(), "{of:?} acknowledged and lost {lost:?}");
            ensure!(
                found.iter().all(|n| *n <= begun),
                "{of:?} has what nobody wrote: {found:?}"
            );
        }
        Ok(())
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_fifty_kills() -> Result<()> {
    let mut local = Local::start(&[])?;
    let mut moments = Moments::of(0x5eed_10ca_1112_1127);
    let mut history = History::default();
    for kill in 1..=KILLS {
        let before = history.begun.clone();
        history
            .write_until_killed(&mut local, 1 + moments.next(80))
            .await
            .with_context(|| format!("kill {kill}"))?;
        local.boot()?;
        let newest = |of: Taker| before.get(&of).copied().unwrap_or(0) + 1;
        history
            .holds(&local, newest)
            .await
            .with_context(|| format!("after kill {kill}"))?;
    }
    // Each account was opened after its own kill; all of them at once would be too many logins.
    let all_but_accounts = |of| if of == Taker::Accounts { u64::MAX } else { 1 };
    history.holds(&local, all_but_accounts).await.context("at the end")?;
    for (of, numbers) in &history.acknowledged {
        eprintln!("{of:?}: {} acknowledged of {}", numbers.len(), history.begun[of]);
    }
    ensure!(
        ALL.iter().all(|of| history.acknowledged[of].len() > 20),
        "some service took hardly any write"
    );
    Ok(())
}
