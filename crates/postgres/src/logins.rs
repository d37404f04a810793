//! The three logins: serving (tenants' rows, owns nothing), system (listed global tables), owner (migrations).

use std::{
    fmt::Write as _,
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

use crate::{Mode, PostgresError, directory::Directory, initdb::SUPERUSER};

/// How each login connects. An embedded server's are made by this crate, others come from the configuration.
#[derive(Clone, Debug)]
pub struct Urls {
    /// Tenants' tables under row-level security; owns nothing, is a member of nothing.
    pub serving: SecretString,
    /// Global tables, jobs, heads of logs.
    pub system: SecretString,
    /// Migrations.
    pub owner: SecretString,
}

const DATABASE: &str = "micro";
const SERVING: &str = "micro_serving";
const SYSTEM: &str = "micro_system";
const OWNER: &str = "micro_owner";

/// Makes the logins and the database, once, and says how to connect.
pub(crate) async fn ensure(directory: &Directory, socket: &Path, mode: Mode) -> Result<Urls, PostgresError> {
    let done = directory.path().join("logins");
    if !done.exists() {
        make(directory, socket, mode).await?;
        fs::write(&done, "").map_err(PostgresError::file("cannot write", &done))?;
    }
    let url = |login: &str| -> Result<SecretString, PostgresError> {
        Ok(url(login, &password(directory, login)?, socket, DATABASE, mode))
    };
    Ok(Urls {
        serving: url(SERVING)?,
        system: url(SYSTEM)?,
        owner: url(OWNER)?,
    })
}

/// A login's password: made at its first use, kept in a file that only we can read.
pub(crate) fn password(directory: &Directory, login: &str) -> Result<SecretString, PostgresError> {
    let path = directory.password(login);
    let failed = || PostgresError::file("cannot keep the password", &path);
    match fs::read_to_string(&path) {
        Ok(text) if !text.is_empty() => return Ok(text.into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed()(error)),
    }
    let mut text = String::new();
    for byte in rand::random::<[u8; 24]>() {
        let _ = write!(text, "{byte:02x}");
    }
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed())?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed())?;
    fs::rename(&new, &path).map_err(failed())?;
    Ok(text.into())
}

fn url(login: &str, password: &SecretString, socket: &Path, database: &str, mode: Mode) -> SecretString {
    let password = match mode {
        Mode::Durable => format!(":{}", password.expose_secret()),
        Mode::Test => String::new(),
    };
    let mut host = String::new();
    for byte in socket.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => host.push(char::from(*byte)),
            _ => {
                let _ = write!(host, "%{byte:02X}");
            }
        }
    }
    format!("postgres://{login}{password}@{host}/{database}").into()
}

/// In test mode whoever reaches the socket is believed.
pub(crate) fn superuser_of_tests(socket: &Path) -> SecretString {
    url(SUPERUSER, &SecretString::default(), socket, "postgres", Mode::Test)
}

async fn make(directory: &Directory, socket: &Path, mode: Mode) -> Result<(), PostgresError> {
    let own = password(directory, SUPERUSER)?;
    let client = connect(&url(SUPERUSER, &own, socket, "postgres", mode)).await?;
    for login in [SERVING, SYSTEM, OWNER] {
        make_login(&client, login, &password(directory, login)?).await?;
    }
    let known = client
        .query_opt("select 1 from pg_database where datname = $1", &[&DATABASE])
        .await?;
    if known.is_none() {
        client
            .batch_execute(&format!(
                "create database {DATABASE} owner {OWNER} template template0 encoding 'UTF8' \
                 lc_collate 'C' lc_ctype 'C'"
            ))
            .await?;
    }
    client
        .batch_execute(&format!(
            "revoke all on database {DATABASE} from public;
             grant connect on database {DATABASE} to {SERVING}, {SYSTEM};
             revoke connect on database postgres from public"
        ))
        .await?;
    let inside = connect(&url(SUPERUSER, &own, socket, DATABASE, mode)).await?;
    inside
        .batch_execute("revoke create on schema public from public")
        .await?;
    Ok(())
}

async fn make_login(client: &Client, login: &str, password: &SecretString) -> Result<(), PostgresError> {
    let known = client
        .query_opt("select 1 from pg_roles where rolname = $1", &[&login])
        .await?;
    let verb = if known.is_some() { "alter" } else { "create" };
    // The schema `public` belongs to whoever owns the database, by a membership that must be inherited.
    let inherit = if login == OWNER { "inherit" } else { "noinherit" };
    client
        .batch_execute(&format!(
            "{verb} role {login} login nosuperuser nocreaterole noreplication nobypassrls {inherit} \
             nocreatedb password '{}'",
            password.expose_secret()
        ))
        .await?;
    Ok(())
}

async fn connect(url: &SecretString) -> Result<Client, PostgresError> {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a set-up connection ended");
        }
    });
    Ok(client)
}
