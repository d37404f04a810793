//! Records and Log in one file (redb): what a laptop runs on. One thread writes, many operations a commit; each is on
//! disk when it is answered (reference/spike-store §7).

mod encoding;
mod log;
mod operations;
mod records;
mod writer;

use std::{
    fs::{OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use redb::{
    Database, ReadTransaction, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction, backends::FileBackend,
};

use crate::StoreError;

pub use log::RedbLog;
pub use records::RedbRecords;

type Bytewise = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// namespace · database · 0 · table · 0 · key → version | expiry | value.
const RECORDS: Bytewise = TableDefinition::new("records");
/// expiry · key in [`RECORDS`] → nothing.
const EXPIRIES: Bytewise = TableDefinition::new("expiries");
/// namespace · topic · 0 · offset → time | payload.
const ENTRIES: Bytewise = TableDefinition::new("log");
/// namespace · topic → next offset | time of the last entry.
const HEADS: Bytewise = TableDefinition::new("heads");
/// namespace → records | bytes of its own databases.
const USAGE: Bytewise = TableDefinition::new("usage");
/// The last version given out.
const COUNTERS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("counters");

/// Opens the file, making it first if there is none. Only one process can have it open.
pub fn open(path: impl AsRef<Path>) -> Result<(RedbRecords, RedbLog), StoreError> {
    let file = Arc::new(File::open(path.as_ref())?);
    Ok((RedbRecords::new(file.clone()), RedbLog(file)))
}

/// The open file. When the last handle goes, what was asked for is written and the file closed.
struct File {
    database: Arc<Database>,
    writer: writer::Writer,
}

impl File {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(16 << 20);
        let file = FileBackend::new(open_private(path).map_err(StoreError::failed)?).map_err(StoreError::failed)?;
        let database = Arc::new(builder.create_with_backend(file).map_err(StoreError::failed)?);
        make_tables(&database)?;
        let writer = writer::Writer::start(database.clone())?;
        Ok(Self { database, writer })
    }

    fn reading(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(StoreError::failed)
    }
}

/// Every namespace's records and secrets are in it: for its owner alone, wherever it lies.
fn open_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// A reader of a table that was never written would fail.
fn make_tables(database: &Database) -> Result<(), StoreError> {
    let mut tx = database.begin_write().map_err(StoreError::failed)?;
    tx.set_quick_repair(true);
    let counted = has_usage(&tx)?;
    for table in [RECORDS, EXPIRIES, ENTRIES, HEADS, USAGE] {
        tx.open_table(table).map_err(StoreError::failed)?;
    }
    tx.open_table(COUNTERS).map_err(StoreError::failed)?;
    if !counted {
        operations::recount(&tx)?;
    }
    tx.commit().map_err(StoreError::failed)
}

/// Whether the file counts what namespaces keep: one of an earlier version does not.
fn has_usage(tx: &WriteTransaction) -> Result<bool, StoreError> {
    let mut tables = tx.list_tables().map_err(StoreError::failed)?;
    Ok(tables.any(|table| table.name() == USAGE.name()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_for_its_owner_alone_also_where_it_was_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.redb");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        drop(open(&path).expect("made"));
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("ours");
        drop(open(&path).expect("opened again"));
        assert_eq!(mode(), 0o600);
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_version_is_counted_when_it_is_opened() {
        use crate::records::{Key, Records, Usage, Write};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.redb");
        let (ada, now) = (micro_testkit::tenant("ada"), time::OffsetDateTime::UNIX_EPOCH);
        let (records, log) = open(&path).expect("made");
        let own = Write::put(Key::tenant("d", "t", "key").expect("plain"), "value");
        let cores = Write::put(Key::core("t", "key"), "value");
        records.write(&ada, vec![own, cores], now).await.expect("writes");
        drop((records, log));
        let database = Database::create(&path).expect("opens");
        let tx = database.begin_write().expect("begins");
        assert!(tx.delete_table(USAGE).expect("deletes"));
        tx.commit().expect("commits");
        drop(database);
        let (records, _log) = open(&path).expect("opens");
        assert_eq!(records.usage(&ada).await.expect("asks"), Usage { keys: 1, bytes: 10 });
    }
}
