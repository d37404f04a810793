//! A few connections that all callers share. Each call is one statement with its own implicit transaction, so calls
//! may interleave. **Never begin a transaction here**: in the experiment that leaked another tenant's row.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    runtime::Handle,
    sync::{Mutex, OnceCell, Semaphore},
};
use tokio_postgres::{Client, Config, Row, Statement, error::SqlState, types::ToSql};

use super::tls;
use crate::{StoreError, db::Db};

/// The calls. A connection prepares each when it first makes it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    GetOne,
    Get,
    Put,
    Write,
    PutAndWrite,
    ScanUp,
    ScanDown,
    Tables,
    Usage,
    EraseRecords,
    Append,
    AppendMany,
    Read,
    Extent,
    OffsetAt,
    Trim,
    EraseLog,
}

/// In the order of [`Call`].
const CALLS: [&str; 17] = [
    "select value, version, expires_at from records_get_one($1, $2, $3, $4, $5)",
    "select place, value, version, expires_at from records_get($1, $2, $3, $4, $5)",
    "select versions, refused from records_put_scoped($1, $2, $3, $4, $5, $6, $7, $8)",
    "select versions, outcomes, used from records_write_scoped($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    "select p.versions, p.refused, w.versions, w.outcomes, w.used
       from records_put_scoped($1, $2, $3, $4, $5, $6, $7, $8) p,
            records_write_scoped($9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) w",
    "select key, value, version, expires_at from records_scan_up($1, $2, $3, $4, $5, $6, $7, $8)",
    "select key, value, version, expires_at from records_scan_down($1, $2, $3, $4, $5, $6, $7, $8)",
    "select database, tbl from records_tables($1)",
    "select keys, bytes from records_usage_of($1)",
    "select records_erase($1)",
    "select log_append_scoped($1, $2, $3, $4, $5)",
    "select log_append_many_scoped($1, $2, $3, $4, $5)",
    "select first_offset, at, body from log_read($1, $2, $3, $4)",
    "select start_offset, next_offset from log_extent($1, $2)",
    "select log_offset_at($1, $2, $3)",
    "select log_trim($1, $2, $3)",
    "select log_erase($1)",
];

/// Which connection a call goes over: calls on one connection are answered in order, so what may take long or wait for
/// a lock keeps away from what others wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    /// Short reads, shared.
    Short,
    /// Reads with long answers, shared.
    Long,
    /// One commit at a time, for many callers: [`Hot::LANES`] of them.
    Lane(usize),
    /// A connection that nobody else uses meanwhile.
    Own,
}

impl Call {
    /// Where a read, or what may wait for a lock, goes.
    fn way(self) -> Over {
        match self {
            Self::GetOne | Self::Usage | Self::Extent | Self::OffsetAt => Over::Short,
            Self::Get | Self::ScanUp | Self::ScanDown | Self::Tables | Self::Read => Over::Long,
            Self::Put
            | Self::Write
            | Self::PutAndWrite
            | Self::Append
            | Self::AppendMany
            | Self::Trim
            | Self::EraseRecords
            | Self::EraseLog => Over::Own,
        }
    }
}

/// The shared connections of the serving role. They run on the runtime that connected them.
#[derive(Clone)]
pub struct Hot(Arc<Inner>);

struct Inner {
    url: SecretString,
    serializable: bool,
    runtime: Handle,
    short: [Slot; 2],
    long: [Slot; 2],
    lanes: [Slot; Hot::LANES],
    next: AtomicUsize,
    /// How many callers may have a connection of their own, in the order in which they asked.
    own: Semaphore,
    idle: std::sync::Mutex<Vec<Session>>,
}

/// A connection's place: empty until it is first needed, and again when the connection has died.
#[derive(Default)]
struct Slot(Mutex<Option<Arc<Session>>>);

struct Session {
    client: Client,
    statements: [OnceCell<Statement>; CALLS.len()],
}

impl Session {
    async fn call(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        let prepare = || self.client.prepare(CALLS[call as usize]);
        let statement = self.statements[call as usize]
            .get_or_try_init(prepare)
            .await
            .map_err(CallError::Database)?;
        self.client.query(statement, values).await.map_err(CallError::Database)
    }
}

/// What each connection waits for at most, in milliseconds: a lane holds up many callers, one's own only itself.
const LANE_WAITS: u32 = 200;
const OWN_WAITS: u32 = 1_000;
/// How long what was sent to the database may stay without a sign that it arrived.
const SILENCE: Duration = Duration::from_secs(15);

impl Hot {
    /// Connections for writes of many callers: one for records, one for logs.
    pub(super) const LANES: usize = 2;
    /// Connections that one caller has for itself, at most.
    const OWN: usize = 4;

    /// Connects to the database that `db` has checked: two connections for short reads and two for long ones; those
    /// for writes are made when they are first needed.
    pub async fn connect(db: &Db) -> Result<Self, StoreError> {
        let (url, serializable) = db.serving_url();
        let hot = Self(Arc::new(Inner {
            url,
            serializable,
            runtime: Handle::current(),
            short: Default::default(),
            long: Default::default(),
            lanes: Default::default(),
            next: AtomicUsize::new(0),
            own: Semaphore::new(Self::OWN),
            idle: Default::default(),
        }));
        let first = [&hot.0.short[0], &hot.0.long[0]];
        futures::future::try_join_all(first.map(|slot| hot.session(slot))).await?;
        Ok(hot)
    }

    /// Where work that outlives its caller runs.
    pub(super) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Makes one call, over the connections that are meant for it.
    pub(super) async fn call(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        self.call_over(call.way(), call, values).await
    }

    /// Makes one call. A lost race comes back as [`StoreError::Contended`].
    pub(super) async fn call_over(
        &self,
        over: Over,
        call: Call,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, CallError> {
        let slot = match over {
            Over::Short => self.next(&self.0.short),
            Over::Long => self.next(&self.0.long),
            Over::Lane(lane) => &self.0.lanes[lane],
            Over::Own => return self.call_alone(call, values).await,
        };
        let session = self.session(slot).await.map_err(CallError::Connection)?;
        session.call(call, values).await
    }

    fn next<'s>(&self, slots: &'s [Slot]) -> &'s Slot {
        &slots[self.0.next.fetch_add(1, Ordering::Relaxed) % slots.len()]
    }

    async fn call_alone(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        let _turn = self
            .0
            .own
            .acquire()
            .await
            .map_err(|e| CallError::Connection(StoreError::failed(e)))?;
        let idle = self.idle().pop().filter(|session| !session.client.is_closed());
        let session = match idle {
            Some(session) => session,
            None => self.open(OWN_WAITS).await.map_err(CallError::Connection)?,
        };
        let answer = session.call(call, values).await;
        // A caller that gives up meanwhile takes the connection with it, and what it asked for.
        if !session.client.is_closed() {
            self.idle().push(session);
        }
        answer
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.idle.lock().expect("no panic while holding the idle connections")
    }

    /// The slot's connection, made anew where it has died.
    async fn session(&self, slot: &Slot) -> Result<Arc<Session>, StoreError> {
        let mut held = slot.0.lock().await;
        match held.as_ref() {
            Some(session) if !session.client.is_closed() => Ok(session.clone()),
            _ => {
                let session = Arc::new(self.open(LANE_WAITS).await?);
                *held = Some(session.clone());
                Ok(session)
            }
        }
    }

    async fn open(&self, waits: u32) -> Result<Session, StoreError> {
        let (mut config, connector) = tls::configure(&self.0.url)?;
        let isolation = match self.0.serializable {
            false => "",
            true => " -c default_transaction_isolation=serializable",
        };
        config
            .options(format!("-c statement_timeout=10000 -c lock_timeout={waits}{isolation}"))
            .application_name("micro hot")
            .connect_timeout(Duration::from_secs(5))
            // A network that was cut without a word ends the connection, not the patience of who waits.
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(SILENCE);
        let client = connect(&config, connector).await?;
        Ok(Session {
            client,
            statements: Default::default(),
        })
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
    /// There is no connection: nothing was asked.
    Connection(StoreError),
    /// The database, or the connection to it, said no.
    Database(tokio_postgres::Error),
}

impl CallError {
    /// Whether the database itself undid what was asked. Otherwise it cannot be reached, or nobody knows what became
    /// of it: the connection ended before the answer.
    pub fn is_undone(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.code().is_some_and(is_undone)
    }
}

/// Connection exceptions, too few resources, and an operator's intervention may come after a commit, and 40003 says that
/// nobody knows; 57014 is a time-out.
fn is_undone(code: &SqlState) -> bool {
    match code.code().get(..2) {
        None | Some("08" | "53") => false,
        Some("57") => *code == SqlState::QUERY_CANCELED,
        Some(_) => *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Connection(error) => error,
            CallError::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_not_taken_for_undone() {
        for (code, undone) in [
            ("40001", true),
            ("40P01", true),
            ("40003", false),
            ("55P03", true),
            ("57014", true),
            ("57P01", false),
            ("08006", false),
            ("53300", false),
            ("MC001", true),
        ] {
            assert_eq!(is_undone(&SqlState::from_code(code)), undone, "{code}");
        }
    }
}
