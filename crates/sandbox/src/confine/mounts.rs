//! Mounts by descriptor, so that no name can be changed under our hands.

use std::{
    ffi::CStr,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path},
    ptr,
};

use crate::sys::{self, check, open_at, owned};

/// The working directory, as a descriptor.
pub(crate) fn here() -> io::Result<OwnedFd> {
    // SAFETY: the path ends in NUL.
    owned(unsafe { libc::open(c".".as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) })
}

/// What the rest of the machine mounts and unmounts no longer shows here, nor the other way round.
pub(crate) fn make_private() -> io::Result<()> {
    mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)
}

pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: every string ends in NUL and lives through the call.
    let result = unsafe {
        libc::mount(
            pointer(source),
            target.as_ptr(),
            pointer(kind),
            flags,
            pointer(options).cast(),
        )
    };
    check(result).map(drop)
}

/// Memory as a file system, bounded.
pub(crate) fn tmpfs(target: &CStr, mode: &str, bytes: u64, files: u64) -> io::Result<()> {
    let options = sys::c_string(format!("mode={mode},size={bytes},nr_inodes={files}").as_bytes())?;
    mount(
        Some(c"tmpfs"),
        target,
        Some(c"tmpfs"),
        libc::MS_NOSUID | libc::MS_NODEV,
        Some(&options),
    )
}

/// Whether what is bound may be written to, and may hold devices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// A device node: it works although it may not be changed.
    Device,
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

const RDONLY: u64 = 1;
const NOSUID: u64 = 2;
const NODEV: u64 = 4;

/// Shows `source`, with everything mounted below it, at `target`.
pub(crate) fn bind(source: BorrowedFd<'_>, target: BorrowedFd<'_>, access: Access) -> io::Result<()> {
    let tree = clone_tree(source, c"", libc::AT_EMPTY_PATH as u32)?;
    let set = match access {
        Access::Read => RDONLY | NOSUID | NODEV,
        Access::Write => NOSUID | NODEV,
        Access::Device => RDONLY | NOSUID,
    };
    set_attributes(tree.as_fd(), set, libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)?;
    attach(tree.as_fd(), target)
}

/// The mount at the working directory, and only it, can no longer be written to.
pub(crate) fn seal_here() -> io::Result<()> {
    set_attributes(here()?.as_fd(), RDONLY | NOSUID | NODEV, libc::AT_EMPTY_PATH)
}

/// The working directory's tree becomes the root, and the old one is gone.
pub(crate) fn enter_here() -> io::Result<()> {
    let here = here()?;
    // What was mounted in a more privileged namespace is locked; a copy of it on top is ours.
    let tree = clone_tree(here.as_fd(), c"", libc::AT_EMPTY_PATH as u32)?;
    attach(tree.as_fd(), here.as_fd())?;
    // SAFETY: plain numbers and paths that end in NUL.
    unsafe {
        check(libc::fchdir(tree.as_raw_fd()))?;
        // The old root comes to lie on top of the new one, where the next call finds it.
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr())).map(drop)
    }
}

fn clone_tree(from: BorrowedFd<'_>, path: &CStr, flags: u32) -> io::Result<OwnedFd> {
    const CLONE: u32 = 1;
    let flags = flags | CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: `path` ends in NUL and lives through the call.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, from.as_raw_fd(), path.as_ptr(), flags) })
}

fn set_attributes(mount: BorrowedFd<'_>, set: u64, flags: i32) -> io::Result<()> {
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        userns: 0,
    };
    let size = size_of::<MountAttributes>();
    // SAFETY: the attributes live through the call and have the size that is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags as u32,
            &attributes,
            size,
        )
    };
    check(result).map(drop)
}

fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    const BOTH_EMPTY: u32 = 0x4 | 0x40;
    let (tree, target) = (tree.as_raw_fd(), target.as_raw_fd());
    // SAFETY: both paths are empty and end in NUL.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree,
            c"".as_ptr(),
            target,
            c"".as_ptr(),
            BOTH_EMPTY,
        )
    })
    .map(drop)
}

/// Opens something of the host to show it. A symbolic link anywhere on the way is refused: a tenant could have made it.
pub(crate) fn open_source(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid request.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_NO_SYMLINKS;
    let name = sys::c_path(path)?;
    let size = size_of::<libc::open_how>();
    // SAFETY: `name` ends in NUL; `how` has the size that is passed.
    owned(unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, name.as_ptr(), &how, size) })
}

/// Makes and opens `path` below `root`, without following a link on the way.
pub(crate) fn make_target(root: BorrowedFd<'_>, path: &Path, directory: bool) -> io::Result<OwnedFd> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => names.push(sys::c_string(name.as_bytes())?),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain absolute path")),
        }
    }
    let last = names
        .pop()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the root itself"))?;
    let mut at = root.try_clone_to_owned()?;
    for name in names {
        at = make_directory(at.as_fd(), &name)?;
    }
    if directory {
        make_directory(at.as_fd(), &last)
    } else {
        make_file(at.as_fd(), &last)
    }
}

fn make_directory(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY;
    match open_at(at, name, flags, 0) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // SAFETY: `name` ends in NUL and lives through the call.
            check(unsafe { libc::mkdirat(at.as_raw_fd(), name.as_ptr(), 0o755) })?;
            open_at(at, name, flags, 0)
        }
        result => result,
    }
}

fn make_file(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    match open_at(at, name, flags, 0) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            open_at(
                at,
                name,
                libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW,
                0o644,
            )?;
            open_at(at, name, flags, 0)
        }
        result => result,
    }
}
