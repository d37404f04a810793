//! Makes the data directory: whole or not at all.

use std::{fs, io::Write, path::Path, process::Stdio};

use secrecy::ExposeSecret;

use crate::{Mode, PostgresError, account::Account, binaries::Binaries, directory, directory::Directory, logins};

/// The superuser, with which only this crate connects.
pub(crate) const SUPERUSER: &str = "micro_superuser";

/// Makes the data directory unless there is one.
pub(crate) async fn ensure(
    directory: &Directory,
    binaries: &Binaries,
    account: &Account,
    mode: Mode,
) -> Result<(), PostgresError> {
    let data = directory.data();
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let unfinished = directory.path().join("data.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(PostgresError::file("cannot remove", &unfinished))?;
    }
    directory::give_private(&unfinished, account)?;
    let words = directory.path().join("initdb.password");
    write_password(directory, &words, account)?;

    let mut initdb = binaries.program("initdb");
    account.apply(&mut initdb);
    initdb
        .arg("-D")
        .arg(&unfinished)
        .arg("--pwfile")
        .arg(&words)
        .args(["-U", SUPERUSER]);
    initdb.args(["-E", "UTF8", "--locale=C", "--auth=scram-sha-256"]);
    if mode == Mode::Test {
        initdb.arg("--no-sync");
    }
    initdb.stdin(Stdio::null());
    let out = tokio::process::Command::from(initdb)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(PostgresError::file("cannot run initdb in", &unfinished));
    fs::remove_file(&words).map_err(PostgresError::file("cannot remove", &words))?;
    let out = out?;
    if !out.status.success() {
        let words = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(PostgresError::Program {
            program: "initdb",
            words,
        });
    }

    let method = if mode == Mode::Test { "trust" } else { "scram-sha-256" };
    let rules = unfinished.join("pg_hba.conf");
    fs::write(&rules, format!("local all all {method}\n")).map_err(PostgresError::file("cannot write", &rules))?;
    fs::rename(&unfinished, &data).map_err(PostgresError::file("cannot move into place", &data))
}

/// `initdb` runs as the server's user, so the file is given to it for that moment.
fn write_password(directory: &Directory, path: &Path, account: &Account) -> Result<(), PostgresError> {
    use std::os::unix::fs::{OpenOptionsExt, chown};
    let password = logins::password(directory, SUPERUSER)?;
    let failed = || PostgresError::file("cannot write", path);
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed()(error)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed())?;
    file.write_all(password.expose_secret().as_bytes()).map_err(failed())?;
    if account.dropped {
        chown(path, Some(account.uid), Some(account.gid)).map_err(failed())?;
    }
    Ok(())
}
