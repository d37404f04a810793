//! The server's directory: data and socket belong to the server's user, passwords and the lock to us.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use crate::{PostgresError, account::Account};

/// `sockaddr_un` has 108 bytes, and the socket's own name and a NUL need 18 of them.
const LONGEST_SOCKET_DIRECTORY: usize = 90;

/// An opened directory, locked for this process.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    pub fn open(path: &Path, account: &Account) -> Result<Self, PostgresError> {
        let mode = if account.dropped { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(PostgresError::file("cannot make", path))?;
        let path = path.canonicalize().map_err(PostgresError::file("cannot find", path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(PostgresError::file("cannot set the mode of", &path))?;
        if account.dropped {
            check_passable(&path)?;
        }
        let lock = lock(&path)?;
        make_private(&path.join("passwords"))?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub fn password(&self, login: &str) -> PathBuf {
        self.path.join("passwords").join(login)
    }

    /// The major version that wrote the data, if there is data.
    pub fn version(&self) -> Result<Option<(u32, &Path)>, PostgresError> {
        let file = self.data().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text.trim().parse().ok().map(|major| (major, self.path()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PostgresError::file("cannot read", file)(error)),
        }
    }

    /// Where the socket goes: here, or in a short place of the same privacy when this path is too long.
    pub fn socket(&self, account: &Account) -> Result<PathBuf, PostgresError> {
        let own = self.path.join("socket");
        let place = if own.as_os_str().len() <= LONGEST_SOCKET_DIRECTORY {
            own
        } else {
            self.short_place(account)
        };
        give_private(&place, account)?;
        Ok(place)
    }

    fn short_place(&self, account: &Account) -> PathBuf {
        let name = format!("micro-{}-{:016x}", account.uid, fingerprint(&self.path));
        let base = if account.dropped && Path::new("/run").is_dir() {
            "/run"
        } else {
            "/tmp"
        };
        Path::new(base).join(name)
    }
}

/// Makes a directory of our own that nobody else can look into.
fn make_private(path: &Path) -> Result<(), PostgresError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(PostgresError::file("cannot make", path))
}

/// Makes a directory that only the server's user can look into, and refuses one that somebody else made.
pub(crate) fn give_private(path: &Path, account: &Account) -> Result<(), PostgresError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) if account.dropped => {
            chown(path, Some(account.uid), Some(account.gid)).map_err(PostgresError::file("cannot give away", path))?
        }
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(PostgresError::file("cannot make", path)(error)),
    }
    let made = fs::symlink_metadata(path).map_err(PostgresError::file("cannot look at", path))?;
    // A crash between making and giving away leaves it with us, which is as good.
    if made.is_dir() && made.uid() != account.uid && account.dropped && made.uid() == 0 {
        return chown(path, Some(account.uid), Some(account.gid))
            .map_err(PostgresError::file("cannot give away", path));
    }
    if !made.is_dir() || made.uid() != account.uid || made.mode() & 0o077 != 0 {
        return Err(PostgresError::NotPrivate(path.to_owned()));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, PostgresError> {
    let file = path.join("lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .map_err(PostgresError::file("cannot open", &file))?;
    // SAFETY: the descriptor is open for as long as `lock` lives.
    match unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(lock),
        _ => Err(PostgresError::InUse(path.to_owned())),
    }
}

fn check_passable(path: &Path) -> Result<(), PostgresError> {
    for above in path.ancestors().skip(1) {
        let mode = fs::metadata(above)
            .map_err(PostgresError::file("cannot look at", above))?
            .mode();
        if mode & 0o001 == 0 {
            return Err(PostgresError::Unreachable(above.to_owned()));
        }
    }
    Ok(())
}

/// FNV-1a: the same short name for the same path, at every start.
fn fingerprint(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}
