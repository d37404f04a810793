//! Unpacking what strangers packed: a plain tar of files and folders, nothing else, nowhere else, not too much.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use micro_domain::Limit;
use sha2::{Digest, Sha256};
use tar::EntryType;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Absolute, or with `..` in it.
    #[error("the archive's entry {0:?} leads out of its folder")]
    Climbs(String),
    /// Symbolic or hard.
    #[error("the archive's entry {0:?} is a link; links are not accepted, put the file itself there")]
    Link(String),
    /// A device, a pipe, a sparse file and the like.
    #[error("the archive's entry {0:?} is neither a file nor a folder")]
    Special(String),
    /// Too deep or too long.
    #[error("the archive's entry {0:?} has too long a name")]
    TooLong(String),
    /// The same name twice, or a file where a folder must be.
    #[error("the archive holds {0:?} twice, or as file and folder")]
    Twice(String),
    /// More than the plan allows.
    #[error("limit {name} reached: {used} of {max}", name = .limit.name, max = .limit.max)]
    Limit {
        /// Which one.
        limit: Limit,
        /// How much there was when unpacking stopped.
        used: u64,
    },
    /// Not a tar, or cut short.
    #[error("the archive is not a readable tar")]
    Unreadable(#[source] io::Error),
    /// Our own disk.
    #[error("unpacking failed")]
    Disk(#[source] io::Error),
}

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of all files together, unpacked.
    pub bytes: Limit,
    /// Files and folders.
    pub entries: Limit,
}

/// What a file held and when it last changed: remembered from build to build, so that a file with the same content
/// keeps its time and the compiler its cache, whatever times the archive claims.
pub type Contents = BTreeMap<PathBuf, (String, SystemTime)>;

/// Unpacks a tar into `into`, which must be fresh and ours alone. Files whose content is as in `before` get the time
/// they had there, all others `now`.
pub fn unpack(
    tar: impl Read,
    into: &Path,
    bounds: Bounds,
    before: &Contents,
    now: SystemTime,
) -> Result<Contents, ArchiveError> {
    let mut contents = Contents::new();
    let (mut bytes, mut entries) = (0_u64, 0_u64);
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().map_err(ArchiveError::Unreadable)? {
        let mut entry = entry.map_err(ArchiveError::Unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        entries += 1;
        if entries > bounds.entries.max {
            return Err(ArchiveError::Limit {
                limit: bounds.entries,
                used: entries,
            });
        }
        let kind = entry.header().entry_type();
        let folder = match kind {
            EntryType::Regular | EntryType::Continuous => false,
            EntryType::Directory => true,
            EntryType::XGlobalHeader => continue,
            EntryType::Symlink | EntryType::Link => return Err(ArchiveError::Link(name)),
            _ => return Err(ArchiveError::Special(name)),
        };
        let path = inside(&name)?;
        if folder {
            make_folder(&into.join(&path), &name)?;
            continue;
        }
        if path.as_os_str().is_empty() {
            return Err(ArchiveError::Special(name));
        }
        bytes = bytes.saturating_add(entry.size());
        if bytes > bounds.bytes.max {
            return Err(ArchiveError::Limit {
                limit: bounds.bytes,
                used: bytes,
            });
        }
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
        let mut file = create(into, &path, executable, &name)?;
        let digest = copy(&mut entry, &mut file)?;
        let time = match before.get(&path) {
            Some((known, time)) if *known == digest => *time,
            _ => now,
        };
        file.set_modified(time).map_err(ArchiveError::Disk)?;
        contents.insert(path, (digest, time));
    }
    Ok(contents)
}

/// The path an entry may be written to, relative to the target folder; empty for the folder itself.
fn inside(name: &str) -> Result<PathBuf, ArchiveError> {
    if name.len() > 1024 {
        return Err(ArchiveError::TooLong(name.chars().take(80).collect()));
    }
    if name.contains(['\0', '\u{fffd}']) {
        return Err(ArchiveError::Special(name.to_owned()));
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) if part.len() > 255 => {
                return Err(ArchiveError::TooLong(name.chars().take(80).collect()));
            }
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(ArchiveError::Climbs(name.to_owned())),
        }
    }
    if path.components().count() > 64 {
        return Err(ArchiveError::TooLong(name.chars().take(80).collect()));
    }
    Ok(path)
}

fn make_folder(path: &Path, name: &str) -> Result<(), ArchiveError> {
    fs::create_dir_all(path).map_err(|e| clash(e, name))
}

/// Nothing but files and folders of ours is below `into`, so creating anew cannot follow a link.
fn create(into: &Path, path: &Path, executable: bool, name: &str) -> Result<File, ArchiveError> {
    if let Some(parent) = path.parent() {
        make_folder(&into.join(parent), name)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(into.join(path))
        .map_err(|e| clash(e, name))
}

fn clash(e: io::Error, name: &str) -> ArchiveError {
    match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            ArchiveError::Twice(name.to_owned())
        }
        _ => ArchiveError::Disk(e),
    }
}

/// Copies and digests; bounded by the entry's own size, which was counted.
fn copy(from: &mut impl Read, to: &mut File) -> Result<String, ArchiveError> {
    let mut hash = Sha256::new();
    let mut buffer = [0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).map_err(ArchiveError::Unreadable)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(ArchiveError::Disk)?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes: Limit {
            name: "upload.bytes",
            max: 1000,
        },
        entries: Limit {
            name: "upload.entries",
            max: 5,
        },
    };
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    /// A tar of one entry, written without the checks that a polite packer makes.
    fn entry(name: &str, kind: EntryType, data: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").expect("short");
        }
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
        tar
    }

    fn unpack_all(entries: &[Vec<u8>]) -> Result<(tempfile::TempDir, Contents), ArchiveError> {
        let folder = tempfile::tempdir().expect("a folder");
        let tar = [entries.concat(), vec![0; 1024]].concat();
        let contents = unpack(tar.as_slice(), folder.path(), BOUNDS, &Contents::new(), NOW)?;
        Ok((folder, contents))
    }

    #[test]
    fn attacks_are_refused_by_name() {
        use EntryType as T;
        let table: Vec<(&str, Vec<Vec<u8>>, &str)> = vec![
            ("absolute", vec![entry("/etc/cron.d/x", T::Regular, b"x")], "leads out"),
            ("climbing", vec![entry("a/../../x", T::Regular, b"x")], "leads out"),
            ("climbing folder", vec![entry("..", T::Directory, b"")], "leads out"),
            ("symbolic link", vec![entry("x", T::Symlink, b"")], "is a link"),
            ("hard link", vec![entry("x", T::Link, b"")], "is a link"),
            ("device", vec![entry("x", T::Char, b"")], "neither a file nor a folder"),
            (
                "block device",
                vec![entry("x", T::Block, b"")],
                "neither a file nor a folder",
            ),
            ("pipe", vec![entry("x", T::Fifo, b"")], "neither a file nor a folder"),
            ("sparse", vec![entry("x", T::GNUSparse, b"")], ""),
            (
                "the folder as a file",
                vec![entry(".", T::Regular, b"x")],
                "neither a file nor a folder",
            ),
            (
                "twice",
                vec![entry("x", T::Regular, b"1"), entry("./x", T::Regular, b"2")],
                "twice",
            ),
            (
                "file as folder",
                vec![entry("x", T::Regular, b"1"), entry("x/y", T::Regular, b"2")],
                "twice",
            ),
            (
                "bytes",
                vec![entry("x", T::Regular, &[0; 600]), entry("y", T::Regular, &[0; 600])],
                "upload.bytes reached: 1200 of 1000",
            ),
            (
                "entries",
                (0..6).map(|n| entry(&format!("f{n}"), T::Regular, b"")).collect(),
                "upload.entries reached: 6 of 5",
            ),
            ("not a tar", vec![vec![7; 2048]], "not a readable tar"),
        ];
        for (what, entries, words) in table {
            let refused = unpack_all(&entries).map(|_| ()).expect_err(what).to_string();
            assert!(refused.contains(words), "{what}: {refused}");
        }
    }

    #[test]
    fn a_cut_tar_is_refused() {
        let tar = entry("x", EntryType::Regular, &[1; 600]);
        let folder = tempfile::tempdir().expect("a folder");
        let refused = unpack(&tar[..700], folder.path(), BOUNDS, &Contents::new(), NOW);
        assert!(matches!(refused, Err(ArchiveError::Unreadable(_))), "{refused:?}");
    }

    #[test]
    fn files_arrive_with_only_their_executable_bit() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, contents) = unpack_all(&[
            entry(".", EntryType::Directory, b""),
            entry("./src/main.rs", EntryType::Regular, b"fn main() {}"),
        ])
        .expect("a fine tar");
        let file = folder.path().join("src/main.rs");
        assert_eq!(fs::read(&file).expect("there"), b"fn main() {}");
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o7000, 0);
        assert_eq!(contents.len(), 1);
    }

    #[test]
    fn unchanged_files_keep_their_time() {
        let tar = [
            entry("same", EntryType::Regular, b"1"),
            entry("other", EntryType::Regular, b"2"),
            vec![0; 1024],
        ]
        .concat();
        let then = NOW + Duration::from_secs(100);
        let before = Contents::from([
            ("same".into(), (hex::encode(Sha256::digest(b"1")), then)),
            ("other".into(), (hex::encode(Sha256::digest(b"1")), then)),
        ]);
        let folder = tempfile::tempdir().expect("a folder");
        let later = NOW + Duration::from_secs(200);
        unpack(tar.as_slice(), folder.path(), BOUNDS, &before, later).expect("a fine tar");
        let time = |name: &str| {
            fs::metadata(folder.path().join(name))
                .and_then(|m| m.modified())
                .expect("there")
        };
        assert_eq!((time("same"), time("other")), (then, later));
    }
}
