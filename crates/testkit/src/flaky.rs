//! Lost races on demand: a proxy between client and PostgreSQL that makes a share of statements and commits fail
//! with SQLSTATE 40001, as CockroachDB would (reference/spike-store §8). The server's own state is truly aborted:
//! in the place of the statement it is sent one that raises.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use micro_storage::{Db, Urls, db::Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use crate::database::{on_socket, small};

/// A running proxy; it ends when dropped.
pub struct FlakyProxy {
    urls: Urls,
    failed: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl FlakyProxy {
    pub(crate) async fn start(server: &Path, urls: &Urls, share: f64) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("micro-flaky-")
            .tempdir()
            .expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("a socket");
        let failed = Arc::new(AtomicU64::new(0));
        let dice = Dice {
            every: (1.0 / share).round().max(2.0) as u64,
            thrown: Arc::default(),
            failed: failed.clone(),
        };
        let accepting = tokio::spawn(accept(listener, server.join(".s.PGSQL.5432"), dice));
        let on = |url| on_socket(url, directory.path());
        let urls = Urls {
            serving: on(&urls.serving),
            system: on(&urls.system),
            owner: on(&urls.owner),
        };
        Self {
            urls,
            failed,
            accepting,
            _directory: directory,
        }
    }

    /// How to connect through it.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Pools through it. Connecting itself is tried again until it comes through.
    pub async fn db(&self) -> Db {
        self.db_with(small()).await
    }

    /// Pools as asked, through it.
    pub async fn db_with(&self, options: Options) -> Db {
        let db = micro_storage::retrying(|| Db::connect(&self.urls, options.clone())).await;
        db.unwrap_or_else(|error| panic!("the test's database, through the proxy: {error:?}"))
    }

    /// How many statements and commits it has made fail.
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for FlakyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Decides which statement fails: in a fixed pattern, so that a failing test fails again.
#[derive(Clone)]
struct Dice {
    every: u64,
    thrown: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Dice {
    fn fails(&self) -> bool {
        let thrown = self.thrown.fetch_add(1, Ordering::Relaxed);
        // A multiplicative step spreads the failures over statements that come in a regular order.
        let fails = (thrown.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(self.every);
        self.failed.fetch_add(u64::from(fails), Ordering::Relaxed);
        fails
    }
}

async fn accept(listener: UnixListener, server: PathBuf, dice: Dice) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, dice) = (server.clone(), dice.clone());
        tokio::spawn(async move {
            // A connection that ends in the middle is the client's to notice.
            let _ = relay(client, &server, dice).await;
        });
    }
}

async fn relay(client: UnixStream, server: &Path, dice: Dice) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = UnixStream::connect(server).await?.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let ended = forward(&mut from_client, &mut to_server, &dice).await;
    to_server.shutdown().await?;
    back.abort();
    ended
}

const RAISE: &[u8] = b"do $$ begin raise exception 'a race was lost' using errcode = '40001'; end $$\0";

/// 80877103, as PostgreSQL numbers it.
const TLS_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2f];

async fn forward(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    dice: &Dice,
) -> io::Result<()> {
    // Messages have no type up to the start-up message; before it, a client may ask for TLS, and be refused.
    loop {
        let length = from.read_u32().await?;
        let mut start = vec![0; length as usize - 4];
        from.read_exact(&mut start).await?;
        to.write_all(&length.to_be_bytes()).await?;
        to.write_all(&start).await?;
        if start != TLS_REQUEST {
            break;
        }
    }
    let mut skipping_to_sync = false;
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        if skipping_to_sync {
            // The query in the statement's place has brought its own end of the cycle.
            skipping_to_sync = kind != b'S';
            continue;
        }
        let commits = kind == b'Q' && body.to_ascii_uppercase().starts_with(b"COMMIT");
        if (commits || kind == b'E') && dice.fails() {
            skipping_to_sync = kind == b'E';
            to.write_u8(b'Q').await?;
            to.write_u32(RAISE.len() as u32 + 4).await?;
            to.write_all(RAISE).await?;
        } else {
            to.write_u8(kind).await?;
            to.write_u32(length).await?;
            to.write_all(&body).await?;
        }
    }
}
