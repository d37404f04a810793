//! Wakes followers when a log directory changes: one inotify instance for the whole process, since a user may only have
//! a few (128 by default).

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::watch;

use crate::sys;

/// One follower's interest in a directory.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    seen: watch::Receiver<()>,
    _held: Arc<Held>,
}

impl Watch {
    pub(super) fn start(dir: &Path) -> io::Result<Self> {
        Watcher::of_this_process()?.add(dir)
    }

    /// Changes up to now are known.
    pub(super) fn mark_seen(&mut self) {
        self.seen.mark_unchanged();
    }

    /// Waits for a change since they were.
    pub(super) async fn changed(mut self) -> io::Result<()> {
        self.seen
            .changed()
            .await
            .map_err(|_| io::Error::other("the log directory is no longer watched"))
    }
}

/// The kernel's watch on one directory, given back when its last follower goes.
#[derive(Debug)]
struct Held {
    id: i32,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Ok(watcher) = Watcher::of_this_process() else {
            return;
        };
        let mut dirs = watcher.dirs();
        let Some(dir) = dirs.get_mut(&self.id) else { return };
        dir.followers -= 1;
        if dir.followers == 0 {
            dirs.remove(&self.id);
            // SAFETY: plain numbers. It fails if the directory is gone, and the watch with it.
            unsafe { libc::inotify_rm_watch(watcher.inotify.as_raw_fd(), self.id) };
        }
    }
}

struct Dir {
    changed: watch::Sender<()>,
    followers: usize,
}

struct Watcher {
    inotify: OwnedFd,
    dirs: Mutex<HashMap<i32, Dir>>,
}

impl Watcher {
    fn of_this_process() -> io::Result<&'static Self> {
        static WATCHER: OnceLock<Result<&'static Watcher, i32>> = OnceLock::new();
        WATCHER
            .get_or_init(|| Self::begin().map_err(|e| e.raw_os_error().unwrap_or(libc::EIO)))
            .map_err(io::Error::from_raw_os_error)
    }

    fn begin() -> io::Result<&'static Self> {
        // SAFETY: plain numbers.
        let inotify = sys::owned(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) })?;
        let watcher: &'static Self = Box::leak(Box::new(Self {
            inotify,
            dirs: Mutex::default(),
        }));
        std::thread::Builder::new()
            .name("log-watch".to_owned())
            .spawn(|| watcher.work())?;
        Ok(watcher)
    }

    fn dirs(&self) -> MutexGuard<'_, HashMap<i32, Dir>> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, dir: &Path) -> io::Result<Watch> {
        let path = sys::c_path(dir)?;
        let mask = libc::IN_MODIFY | libc::IN_CREATE | libc::IN_ONLYDIR;
        let mut dirs = self.dirs();
        // SAFETY: `path` ends in NUL. The same directory gets the same id again.
        let id = sys::check(unsafe { libc::inotify_add_watch(self.inotify.as_raw_fd(), path.as_ptr(), mask) })?;
        let dir = dirs.entry(id).or_insert_with(|| Dir {
            changed: watch::Sender::new(()),
            followers: 0,
        });
        dir.followers += 1;
        Ok(Watch {
            seen: dir.changed.subscribe(),
            _held: Arc::new(Held { id }),
        })
    }

    /// Reads events for ever and wakes whom they concern.
    fn work(&self) {
        const HEAD: usize = size_of::<libc::inotify_event>();
        let mut buffer = [0; 64 << 10];
        while let Ok(Some(length)) = sys::read(self.inotify.as_fd(), &mut buffer) {
            let dirs = self.dirs();
            let mut rest = &buffer[..length];
            while let Some(head) = rest.first_chunk::<HEAD>() {
                // SAFETY: the kernel writes whole events; any bytes make a valid one.
                let event: libc::inotify_event = unsafe { std::ptr::read_unaligned(head.as_ptr().cast()) };
                if event.mask & libc::IN_Q_OVERFLOW != 0 {
                    dirs.values().for_each(|dir| dir.changed.send_replace(()));
                } else if let Some(dir) = dirs.get(&event.wd) {
                    dir.changed.send_replace(());
                }
                rest = rest.get(HEAD + event.len as usize..).unwrap_or_default();
            }
        }
    }
}
