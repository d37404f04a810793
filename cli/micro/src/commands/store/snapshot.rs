//! `micro store snapshot` and `micro store restore`: a database's records in a file, and back.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use micro_error::Error;
use micro_proto::store::{ExportRequest, ImportRequest, ImportResponse, Snapshots, Stored};

use super::{refused, snapshot_file as lines};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
};

/// Write the records of a database into a file
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  micro store snapshot --destination notes.snapshot\n\nRecords with their values, metadata and expiry; files of `micro store blob` are not among them.\nRecords that change meanwhile are in it as they were before, or after."
)]
pub struct Save {
    /// The file, as a path or a file:// address
    #[arg(long, value_name = "FILE", default_value = "file:///tmp/store-snapshot")]
    destination: String,

    /// The database: a namespace, by default the current one
    #[arg(short, long, value_name = "NAMESPACE")]
    database: Option<String>,

    /// Only this table
    #[arg(short, long, default_value = "", hide_default_value = true)]
    table: String,
}

/// Put the records of a snapshot back, over what is there
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  micro store restore --source notes.snapshot\n\nRecords that are not in the snapshot stay as they are."
)]
pub struct Load {
    /// The file, as a path or a file:// address
    #[arg(long, value_name = "FILE", default_value = "file:///tmp/store-snapshot")]
    source: String,

    /// The database: a namespace, by default the current one
    #[arg(short, long, value_name = "NAMESPACE")]
    database: Option<String>,
}

/// About as many bytes as one call puts back: each call's are acknowledged together.
const CALL: usize = 8 << 20;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `snapshot`.
pub async fn save(args: Save, ctx: &Ctx) -> Result {
    let destination = path_of(&args.destination)?;
    let session = ctx.logged_in().await?;
    let database = args.database.unwrap_or_else(|| session.namespace.clone());
    let failed = |e| refused(&session, "couldn't take a snapshot", &e);
    let io = |e| Failure::because(format_args!("couldn't use {}", destination.display()), e);
    let request = ExportRequest {
        database: database.clone(),
        table: args.table,
    };
    let mut pages = session
        .snapshots()
        .export(&session.caller(), request)
        .await
        .map_err(failed)?;
    let part = beside(&destination);
    let mut file = BufWriter::new(new_file(&part).map_err(io)?);
    let mut count = 0;
    let written = async {
        writeln!(file, "{}", lines::head(&database, ctx.now().unix_timestamp())).map_err(io)?;
        while let Some(page) = pages.try_next().await.map_err(failed)? {
            for record in &page.records {
                writeln!(file, "{}", lines::record(record)).map_err(io)?;
                count += 1;
            }
            ctx.out.progress(&format!("{count} records"));
        }
        writeln!(file, "{}", lines::foot(count)).map_err(io)?;
        file.flush().map_err(io)?;
        file.get_ref().sync_all().map_err(io)
    }
    .await;
    ctx.out.progress_done();
    if let Err(failure) = written {
        let _it_is_of_no_use = fs::remove_file(&part);
        return Err(failure);
    }
    fs::rename(&part, &destination).map_err(io)?;
    tell(ctx, &[("records", count)])
}

/// Runs `restore`.
pub async fn load(args: Load, ctx: &Ctx) -> Result {
    let source = path_of(&args.source)?;
    // All of it is looked at before anything is changed.
    lines::check(&mut reader(&source)?)
        .map_err(|e| Failure::because(format_args!("couldn't use {}", source.display()), e))?;
    let session = ctx.logged_in().await?.within(PATIENCE);
    let database = args.database.unwrap_or_else(|| session.namespace.clone());
    let mut restore = Restore::new(&session, database);
    for line in reader(&source)?.lines() {
        let line = line.map_err(|e| Failure::because(format_args!("couldn't use {}", source.display()), e))?;
        let parsed =
            lines::parse(&line).map_err(|e| Failure::because(format_args!("couldn't use {}", source.display()), e))?;
        if let lines::Line::Record(record) = parsed {
            restore.add(record).await?;
            ctx.out.progress(&format!("{} records", restore.done.written));
        }
    }
    let done = restore.end().await?;
    ctx.out.progress_done();
    tell(ctx, &[("written", done.written), ("expired", done.expired)])
}

/// Records on their way into a database.
pub struct Restore<'s> {
    session: &'s Session,
    database: String,
    waiting: Vec<Stored>,
    bytes: usize,
    pub done: ImportResponse,
}

impl<'s> Restore<'s> {
    pub fn new(session: &'s Session, database: String) -> Self {
        Self {
            session,
            database,
            waiting: Vec::new(),
            bytes: 0,
            done: ImportResponse::default(),
        }
    }

    /// Puts a record back, now or with those that come.
    pub async fn add(&mut self, record: Stored) -> Result<()> {
        self.bytes += record.key.len() + record.value.len() + 100;
        self.waiting.push(record);
        if self.bytes >= CALL { self.send().await } else { Ok(()) }
    }

    /// Puts the last ones back; how many there were.
    pub async fn end(mut self) -> Result<ImportResponse> {
        self.send().await?;
        Ok(self.done)
    }

    async fn send(&mut self) -> Result<()> {
        /// Records of one message: a megabyte each at most, and a message has 16.
        const MESSAGE: usize = 8;
        let records = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if records.is_empty() {
            return Ok(());
        }
        let message = |records: &[Stored]| {
            Ok::<_, Error>(ImportRequest {
                database: self.database.clone(),
                records: records.to_vec(),
            })
        };
        let messages: Vec<_> = records.chunks(MESSAGE).map(message).collect();
        let caller = self.session.caller();
        let done = self
            .session
            .snapshots()
            .import(&caller, stream::iter(messages).boxed())
            .await;
        let done = done.map_err(|e| {
            let what = format!("couldn't restore, after {} records", self.done.written);
            refused(self.session, &what, &e)
        })?;
        self.done.written += done.written;
        self.done.expired += done.expired;
        Ok(())
    }
}

/// What was done: for programs as JSON, for people on stderr.
pub fn tell(ctx: &Ctx, counts: &[(&str, u64)]) -> Result {
    if ctx.out.json() {
        let counts: serde_json::Map<_, _> = counts.iter().map(|(n, c)| ((*n).to_owned(), (*c).into())).collect();
        ctx.out.value(&counts)?;
    } else {
        let words: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        ctx.out.talk(words.join(", "));
    }
    Ok(Exit::Done)
}

/// A path, or a `file://` address.
fn path_of(text: &str) -> Result<PathBuf> {
    match text.split_once("://") {
        None => Ok(text.into()),
        Some(("file", path)) if path.starts_with('/') => Ok(path.into()),
        Some(_) => Err(Failure::plain(format!(
            "{text} is no place for a snapshot: give a path, or file:// and a path"
        ))),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    name.into()
}

/// A file that was not there before: nobody else reads along, and no link leads elsewhere.
fn new_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn reader(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|e| Failure::because(format_args!("couldn't use {}", path.display()), e))?;
    Ok(BufReader::new(file))
}
