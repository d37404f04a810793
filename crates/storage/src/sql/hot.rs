//! A few connections that all callers share. Each call is one statement with its own implicit transaction, so calls
//! may interleave. **Never begin a transaction here**: in the experiment that leaked another tenant's row.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, Row, Statement, error::SqlState, types::ToSql};

use super::tls;
use crate::{StoreError, db::Db};

/// The calls, prepared on each connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    GetOne,
    Get,
    Write,
    ScanUp,
    ScanDown,
    Tables,
    Append,
    Read,
    Extent,
    OffsetAt,
    Trim,
}

/// In the order of [`Call`].
const CALLS: [&str; 11] = [
    "select value, version, expires_at from records_get_one($1, $2, $3, $4, $5)",
    "select place, value, version, expires_at from records_get($1, $2, $3, $4, $5)",
    "select records_write($1, $2, $3, $4, $5, $6, $7, $8)",
    "select key, value, version, expires_at from records_scan_up($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "select key, value, version, expires_at from records_scan_down($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "select database, tbl from records_tables($1)",
    "select log_append($1, $2, $3, $4, $5)",
    "select first_offset, at, body from log_read($1, $2, $3)",
    "select start_offset, next_offset from log_extent($1, $2)",
    "select log_offset_at($1, $2, $3)",
    "select log_trim($1, $2, $3)",
];

impl Call {
    /// Whether its answer can be long: such calls would hold up short ones behind them.
    fn is_long(self) -> bool {
        matches!(
            self,
            Self::Get | Self::ScanUp | Self::ScanDown | Self::Tables | Self::Read
        )
    }
}

/// The shared connections of the serving role. They run on the runtime that connected them.
#[derive(Clone)]
pub struct Hot(Arc<Inner>);

struct Inner {
    url: SecretString,
    serializable: bool,
    short: Vec<Slot>,
    long: Vec<Slot>,
    next: AtomicUsize,
}

/// A connection's place: empty until it is first needed, and again when the connection has died.
#[derive(Default)]
struct Slot(Mutex<Option<Arc<Session>>>);

struct Session {
    client: Client,
    statements: Vec<Statement>,
}

impl Hot {
    /// Two connections for short calls and one for long ones, to the database that `db` has checked.
    pub async fn connect(db: &Db) -> Result<Self, StoreError> {
        let slots = |count: usize| (0..count).map(|_| Slot::default()).collect();
        let (url, serializable) = db.serving_url();
        let hot = Self(Arc::new(Inner {
            url,
            serializable,
            short: slots(2),
            long: slots(1),
            next: AtomicUsize::new(0),
        }));
        let slots = hot.0.short.iter().chain(&hot.0.long);
        futures::future::try_join_all(slots.map(|slot| hot.session(slot))).await?;
        Ok(hot)
    }

    /// Makes one call. A lost race comes back as [`StoreError::Contended`].
    pub(super) async fn call(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        let slots = if call.is_long() { &self.0.long } else { &self.0.short };
        let slot = &slots[self.0.next.fetch_add(1, Ordering::Relaxed) % slots.len()];
        let session = self.session(slot).await.map_err(CallError::Store)?;
        session
            .client
            .query(&session.statements[call as usize], values)
            .await
            .map_err(CallError::Database)
    }

    /// The slot's connection, made anew where it has died.
    async fn session(&self, slot: &Slot) -> Result<Arc<Session>, StoreError> {
        let mut held = slot.0.lock().await;
        match held.as_ref() {
            Some(session) if !session.client.is_closed() => Ok(session.clone()),
            _ => {
                let session = Arc::new(self.open().await?);
                *held = Some(session.clone());
                Ok(session)
            }
        }
    }

    async fn open(&self) -> Result<Session, StoreError> {
        let (mut config, connector) = tls::configure(&self.0.url)?;
        config
            .options(self.options())
            .application_name("micro hot")
            .connect_timeout(std::time::Duration::from_secs(5));
        let client = connect(&config, connector).await?;
        let statements = futures::future::try_join_all(CALLS.map(|call| client.prepare(call))).await?;
        Ok(Session { client, statements })
    }

    fn options(&self) -> &'static str {
        match self.0.serializable {
            false => "-c statement_timeout=10000 -c lock_timeout=5000",
            true => "-c statement_timeout=10000 -c lock_timeout=5000 -c default_transaction_isolation=serializable",
        }
    }
}

async fn connect(config: &Config, connector: tls::Connector) -> Result<Client, StoreError> {
    let (client, connection) = config.connect(connector).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // A database that was told to stop ends its connections: expected at the end, and retried otherwise.
            if error.code() == Some(&SqlState::ADMIN_SHUTDOWN) {
                tracing::debug!("the database was told to stop");
            } else {
                tracing::warn!(%error, "a shared database connection ended; the next call makes another");
            }
        }
    });
    Ok(client)
}

/// Why a call did not answer: apart from the rest, since some answers come as errors.
pub(super) enum CallError {
    Store(StoreError),
    Database(tokio_postgres::Error),
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(error) => error,
            CallError::Database(error) => error.into(),
        }
    }
}
