//! Artifacts: what a build leaves, as a deterministic tar in zstd, named by its SHA-256. Read from folders that tenant
//! code wrote to, so every path is opened without following a link.

use std::{
    ffi::{CString, OsStr},
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
    time::SystemTime,
};

use micro_domain::Limit;
use sha2::{Digest, Sha256};

use crate::source::archive::{self, ArchiveError, Bounds, Contents};

/// The most that one artifact may hold, unpacked, and how many entries.
pub const BOUNDS: Bounds = Bounds {
    bytes: Limit {
        name: "artifact.bytes",
        max: 512 << 20,
    },
    entries: Limit {
        name: "artifact.entries",
        max: 20_000,
    },
};

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The build said it was done, but the file is not there.
    #[error("the build left no {0}")]
    Missing(String),
    /// Links would lead out of the artifact on the machine that unpacks it.
    #[error("the build left {0}, which is neither a file nor a folder")]
    Special(String),
    /// More than is allowed.
    #[error("limit {name} reached: {used} of {max}", name = .limit.name, max = .limit.max)]
    Limit {
        /// Which one.
        limit: Limit,
        /// How much there was when packing stopped.
        used: u64,
    },
    /// Our own disk.
    #[error("packing the build failed")]
    Disk(#[from] io::Error),
}

/// A packed artifact on disk.
#[derive(Debug)]
pub struct Packed {
    /// SHA-256 of the packed bytes, in hexadecimal.
    pub digest: String,
    /// Where they lie.
    pub file: PathBuf,
    /// How many they are.
    pub bytes: u64,
}

/// Packs one file below `root` under the name `name`.
pub fn pack_file(root: &Path, path: &str, name: &str, to: PathBuf) -> Result<Packed, ArtifactError> {
    let mut packer = Packer::new(to)?;
    let found = Beneath::open(root).and_then(|root| root.file(Path::new(path)));
    let file = found.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => ArtifactError::Missing(path.to_owned()),
        _ => ArtifactError::Special(path.to_owned()),
    })?;
    packer.add(name, file)?;
    packer.finish()
}

/// Packs everything below `root`/`folder` but `.git` and `target`.
pub fn pack_folder(root: &Path, folder: &str, to: PathBuf) -> Result<Packed, ArtifactError> {
    let mut packer = Packer::new(to)?;
    packer.walk(&Beneath::open(root)?, Path::new(folder), Path::new(""))?;
    packer.finish()
}

/// Unpacks an artifact into `into`, which must be fresh.
pub fn unpack(packed: impl Read, into: &Path) -> Result<Contents, ArchiveError> {
    let tar = zstd::Decoder::new(packed).map_err(ArchiveError::Unreadable)?;
    archive::unpack(tar, into, BOUNDS, &Contents::new(), SystemTime::UNIX_EPOCH)
}

struct Packer {
    tar: tar::Builder<zstd::Encoder<'static, Digesting>>,
    to: PathBuf,
    bytes: u64,
    entries: u64,
}

impl Packer {
    fn new(to: PathBuf) -> Result<Self, ArtifactError> {
        let out = Digesting {
            file: File::create(&to)?,
            hash: Sha256::new(),
            bytes: 0,
        };
        let mut tar = tar::Builder::new(zstd::Encoder::new(out, 3)?);
        tar.mode(tar::HeaderMode::Deterministic);
        Ok(Self {
            tar,
            to,
            bytes: 0,
            entries: 0,
        })
    }

    fn count(&mut self, bytes: u64) -> Result<(), ArtifactError> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        for (limit, used) in [(BOUNDS.bytes, self.bytes), (BOUNDS.entries, self.entries)] {
            if used > limit.max {
                return Err(ArtifactError::Limit { limit, used });
            }
        }
        Ok(())
    }

    fn header(kind: tar::EntryType, size: u64, executable: bool) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header
    }

    fn add(&mut self, name: impl AsRef<Path>, file: File) -> Result<(), ArtifactError> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(ArtifactError::Special(name.as_ref().display().to_string()));
        }
        self.count(meta.len())?;
        let executable = meta.permissions().mode() & 0o111 != 0;
        let mut header = Self::header(tar::EntryType::Regular, meta.len(), executable);
        self.tar.append_data(&mut header, name, file.take(meta.len()))?;
        Ok(())
    }

    /// In order of names, so that the same files make the same artifact.
    fn walk(&mut self, root: &Beneath, folder: &Path, name: &Path) -> Result<(), ArtifactError> {
        for entry in root.list(folder)? {
            if entry == ".git" || entry == "target" {
                continue;
            }
            let (path, name) = (folder.join(&entry), name.join(&entry));
            let special = || ArtifactError::Special(name.display().to_string());
            let file = root.file(&path).map_err(|_| special())?;
            let meta = file.metadata()?;
            if meta.is_dir() {
                self.count(0)?;
                let mut header = Self::header(tar::EntryType::Directory, 0, true);
                self.tar.append_data(&mut header, &name, io::empty())?;
                self.walk(root, &path, &name)?;
            } else {
                self.add(&name, file)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Packed, ArtifactError> {
        let out = self.tar.into_inner()?.finish()?;
        out.file.sync_all()?;
        Ok(Packed {
            digest: hex::encode(out.hash.finalize()),
            file: self.to,
            bytes: out.bytes,
        })
    }
}

struct Digesting {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Digesting {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.hash.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A folder whose contents are opened without leaving it and without following any link (openat2).
pub(crate) struct Beneath(OwnedFd);

impl Beneath {
    /// What is in the folder need not be ours, and neither need the folder's own name: a build may have put a link
    /// there. One anywhere on the way is refused.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        open_at(libc::AT_FDCWD, root.as_os_str(), libc::O_DIRECTORY, 0).map(Self)
    }

    /// Opens a file or folder for reading; anything that could block or lead elsewhere is refused.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        let path = if path.as_os_str().is_empty() {
            OsStr::new(".")
        } else {
            path.as_os_str()
        };
        let stay = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV;
        let file = File::from(open_at(self.0.as_raw_fd(), path, libc::O_NONBLOCK, stay)?);
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_dir() {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// The names in a folder below, in order.
    fn list(&self, folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let folder = self.file(folder)?;
        // The descriptor pins the folder that was checked; its path could be swapped.
        let pinned = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let mut names = fs::read_dir(pinned)?
            .map(|e| e.map(|e| e.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

/// Opens for reading without following any link (openat2).
fn open_at(from: i32, path: &OsStr, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_bytes())?;
    // SAFETY: a zeroed open_how is its documented empty value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_CLOEXEC | flags) as u64;
    how.resolve = resolve | libc::RESOLVE_NO_SYMLINKS;
    // SAFETY: all pointers live through the call, and the result is a fresh descriptor or -1.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            from,
            path.as_ptr(),
            &raw const how,
            size_of_val(&how),
        )
    };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: checked above, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_a_build_swapped_for_a_link_is_not_entered() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().canonicalize().expect("there");
        let neighbour = folder.join("neighbour/target/debug");
        fs::create_dir_all(&neighbour).expect("a folder");
        fs::write(neighbour.join("greeter"), "another tenant's program").expect("a file");
        fs::create_dir(folder.join("cache")).expect("a folder");
        std::os::unix::fs::symlink(folder.join("neighbour/target"), folder.join("cache/target")).expect("a link");
        let to = || folder.join("x");
        for root in [folder.join("cache/target"), folder.join("cache/target/debug")] {
            assert!(pack_file(&root, "debug/greeter", "service", to()).is_err(), "{root:?}");
            assert!(pack_file(&root, "greeter", "service", to()).is_err(), "{root:?}");
            assert!(pack_folder(&root, "", to()).is_err(), "{root:?}");
        }
        let honest = pack_file(&folder.join("neighbour/target"), "debug/greeter", "service", to());
        assert!(honest.is_ok(), "{honest:?}");
    }

    #[test]
    fn the_same_files_make_the_same_artifact() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str, order: &[&str]| {
            let root = folder.path().join(name);
            fs::create_dir_all(root.join("sub")).expect("a folder");
            for file in order {
                fs::write(root.join(file), file).expect("a file");
            }
            fs::create_dir_all(root.join("target")).expect("a folder");
            pack_folder(&root, "", folder.path().join(format!("{name}.tar.zst"))).expect("packed")
        };
        let (a, b) = (make("a", &["x", "sub/y"]), make("b", &["sub/y", "x"]));
        assert_eq!(a.digest, b.digest);
        assert_eq!(fs::metadata(&a.file).expect("there").len(), a.bytes);

        let out = folder.path().join("out");
        fs::create_dir(&out).expect("a folder");
        let contents = unpack(File::open(a.file).expect("there"), &out).expect("unpacked");
        assert_eq!(
            contents.keys().map(|p| p.display().to_string()).collect::<Vec<_>>(),
            ["sub/y", "x"]
        );
    }

    #[test]
    fn a_link_in_the_output_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("debug")).expect("a folder");
        std::os::unix::fs::symlink("/etc/passwd", root.join("debug/greeter")).expect("a link");
        std::os::unix::fs::symlink("/etc", root.join("etc")).expect("a link");
        let to = || folder.path().join("x");
        for path in ["debug/greeter", "etc/passwd", "../root/debug/greeter", "/etc/passwd"] {
            let refused = pack_file(&root, path, "service", to());
            assert!(matches!(refused, Err(ArtifactError::Special(_))), "{path}: {refused:?}");
        }
        assert!(matches!(pack_folder(&root, "", to()), Err(ArtifactError::Special(_))));
        assert!(matches!(
            pack_file(&root, "debug/none", "service", to()),
            Err(ArtifactError::Missing(_))
        ));
    }
}
