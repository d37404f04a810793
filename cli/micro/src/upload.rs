//! A folder on its way to the server: a plain tar, in a fixed order, without what is built, fetched or ignored.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use micro_error::{Error, Kind};
use micro_proto::runtime::{Service, Source, UploadRequest};
use tokio::sync::mpsc;

use crate::{
    exit::{Failure, Result},
    remote::Session,
};

/// Made by tools, never source: left out wherever they lie.
const NEVER: [&str; 5] = [".git", "target", "node_modules", "__pycache__", ".venv"];
const CHUNK: usize = 64 * 1024;
const WAITING_CHUNKS: usize = 4;

/// What will be sent.
pub struct Folder {
    root: PathBuf,
    entries: Vec<(PathBuf, Metadata)>,
}

impl Folder {
    /// Looks through a folder.
    pub fn read(root: &Path) -> Result<Self> {
        let ignored = Ignored::read(root);
        let mut entries = Vec::new();
        walk(root, Path::new(""), &ignored, &mut entries)
            .map_err(|e| Failure::because(format!("reading {}", root.display()), e))?;
        Ok(Self {
            root: root.to_owned(),
            entries,
        })
    }

    /// How many files there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let files = || self.entries.iter().filter(|(_, m)| m.is_file());
        (files().count(), files().map(|(_, m)| m.len()).sum())
    }

    /// Sends it; the answer is what the server calls it.
    pub async fn send(self, session: &Session, service: Service) -> Result<String> {
        let (send, receive) = mpsc::channel(WAITING_CHUNKS);
        let archiving = tokio::task::spawn_blocking(move || {
            let mut chunks = Chunks {
                send,
                service: Some(service),
                waiting: Vec::with_capacity(CHUNK),
            };
            let written = self.archive(&mut chunks).and_then(|()| chunks.flush());
            if let Err(e) = written {
                let unsent = Error::new(Kind::Invalid, "micro", format!("Reading the source failed: {e}"));
                // Where the receiver has gone, the server's answer says why.
                let _ = chunks.send.blocking_send(Err(unsent));
            }
        });
        let messages = futures::stream::unfold(receive, |mut receive| async move {
            receive.recv().await.map(|message| (message, receive))
        });
        let answer = session.source().upload(&session.caller(), Box::pin(messages)).await;
        archiving.await.map_err(|e| Failure::because("reading the source", e))?;
        Ok(answer.map_err(|e| session.explain(&e))?.id)
    }

    fn archive(&self, to: &mut impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(to);
        for (path, metadata) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(metadata.mode() & 0o777);
            header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
            if metadata.is_dir() {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                tar.append_data(&mut header, path, io::empty())?;
            } else {
                header.set_size(metadata.len());
                let file = File::open(self.root.join(path))?;
                tar.append_data(
                    &mut header,
                    path,
                    Exactly {
                        file,
                        left: metadata.len(),
                    },
                )?;
            }
        }
        tar.finish()
    }
}

/// Turns what is written into messages.
struct Chunks {
    send: mpsc::Sender<std::result::Result<UploadRequest, Error>>,
    service: Option<Service>,
    waiting: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let data = std::mem::replace(&mut self.waiting, Vec::with_capacity(CHUNK));
        let message = UploadRequest {
            service: self.service.take(),
            data,
        };
        self.send
            .blocking_send(Ok(message))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A file that must have the bytes it had when it was looked at: a tar's header has gone out before them.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut into[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::other("a file became shorter while it was sent"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn walk(root: &Path, at: &Path, ignored: &Ignored, found: &mut Vec<(PathBuf, Metadata)>) -> io::Result<()> {
    let mut names = fs::read_dir(root.join(at))?
        .map(|e| e.map(|e| e.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = at.join(&name);
        let metadata = fs::symlink_metadata(root.join(&path))?;
        // A link is sent as what it leads to, if that is a file of this folder; a server takes no links.
        let metadata = if metadata.is_symlink() {
            match root.join(&path).canonicalize() {
                Ok(target) if target.is_file() && target.starts_with(root.canonicalize()?) => fs::metadata(target)?,
                _ => continue,
            }
        } else {
            metadata
        };
        let never = NEVER.iter().any(|n| name == *n);
        if never || ignored.covers(&path, metadata.is_dir()) {
            continue;
        }
        if metadata.is_dir() {
            found.push((path.clone(), metadata));
            walk(root, &path, ignored, found)?;
        } else if metadata.is_file() {
            found.push((path, metadata));
        }
    }
    Ok(())
}

/// The root's `.gitignore`, as far as plain patterns go: names, folders, `*`, and what starts with a slash.
/// Patterns it does not know (`!`, `**`) ignore nothing: rather a file too many than one too few.
struct Ignored(Vec<Pattern>);

struct Pattern {
    glob: String,
    anchored: bool,
    folders_only: bool,
}

impl Ignored {
    fn read(root: &Path) -> Self {
        Self::parse(&fs::read_to_string(root.join(".gitignore")).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        // A later `!` could bring anything back: then nothing is ignored by pattern.
        if text.lines().any(|l| l.starts_with('!')) {
            return Self(Vec::new());
        }
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#') && !l.contains("**"));
        let pattern = |line: &str| {
            let glob = line.trim_end_matches('/');
            Pattern {
                glob: glob.trim_start_matches('/').to_owned(),
                anchored: glob.contains('/'),
                folders_only: line.ends_with('/'),
            }
        };
        Self(lines.map(pattern).collect())
    }

    fn covers(&self, path: &Path, folder: bool) -> bool {
        let whole = path.to_string_lossy();
        let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        self.0.iter().any(|p| {
            (folder || !p.folders_only)
                && matches(p.glob.as_bytes(), if p.anchored { &whole } else { &name }.as_bytes())
        })
    }
}

/// `*` is any run of characters but a slash, `?` one of them.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text) || matches!(text, [c, tail @ ..] if *c != b'/' && matches(glob, tail))
        }
        ([b'?', rest @ ..], [c, tail @ ..]) => *c != b'/' && matches(rest, tail),
        ([g, rest @ ..], [c, tail @ ..]) => g == c && matches(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut archive = Vec::new();
        Folder::read(folder)
            .expect("readable")
            .archive(&mut archive)
            .expect("archived");
        let mut archive = tar::Archive::new(archive.as_slice());
        let entries = archive.entries().expect("a tar");
        entries
            .map(|e| e.expect("whole").path().expect("a path").to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn source_travels_in_order_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |p: &str| folder.path().join(p);
        for dir in [
            "src/bin",
            ".git",
            "target/debug",
            "web/node_modules/x",
            "tmp",
            "src/tmp",
        ] {
            fs::create_dir_all(at(dir)).expect("made");
        }
        for file in [
            "Cargo.toml",
            "src/main.rs",
            ".git/HEAD",
            "target/debug/a",
            "web/node_modules/x/i.js",
            "a.log",
            "tmp/x",
            "src/tmp/y",
            ".env",
        ] {
            fs::write(at(file), "x").expect("written");
        }
        fs::write(at(".gitignore"), "# notes\n*.log\n/tmp/\n.env\n").expect("written");
        std::os::unix::fs::symlink("Cargo.toml", at("link.toml")).expect("linked");
        std::os::unix::fs::symlink("/etc/passwd", at("passwd")).expect("linked");
        assert_eq!(
            names(folder.path()),
            [
                ".gitignore",
                "Cargo.toml",
                "link.toml",
                "src",
                "src/bin",
                "src/main.rs",
                "src/tmp",
                "src/tmp/y",
                "web"
            ]
        );
    }

    #[test]
    fn patterns_cover_names_folders_and_anchored_paths() {
        let ignored = Ignored::parse("build\n/dist\ndocs/*.md\nonly/\n");
        let covers = |path: &str, folder| ignored.covers(Path::new(path), folder);
        assert!(
            covers("a/build", false) && covers("dist", true) && covers("docs/a.md", false) && covers("x/only", true)
        );
        assert!(
            !covers("a/dist", true)
                && !covers("docs/a/b.md", false)
                && !covers("only", false)
                && !covers("builder", false)
        );
        assert!(
            !Ignored::parse("*.log\n!keep.log\n").covers(Path::new("a.log"), false),
            "exceptions are not understood"
        );
    }
}
