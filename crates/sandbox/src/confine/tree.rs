//! The file tree that the program sees: the system read-only, scratch space in memory, and what the spec binds.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::symlink,
    },
    path::Path,
};

use super::mounts::{self, Access};
use crate::{
    failure::{Failure, Step},
    launch::ROOT,
    spec::Spec,
};

/// Programs and libraries. On most systems all but `/usr` are links into it.
const SYSTEM: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What programs look for in `/etc` and tells nothing about this machine.
const ETC: [&str; 8] = [
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/mime.types",
    "/etc/localtime",
];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
];

/// For Landlock: what can be read, and what can be written.
pub(super) const READ_ONLY: [&str; 9] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc",
];
pub(super) const SCRATCH: [&str; 2] = ["/tmp", "/dev/shm"];

/// The host's name inside.
pub(crate) const HOST: &str = "micro";

/// Puts the tree together, in this process's mount namespace, and makes its root the working directory.
pub(crate) fn build(spec: &Spec) -> Result<(), Failure> {
    mounts::make_private().step("make mounts private")?;
    std::env::set_current_dir(spec.state_dir.join(ROOT)).step("enter the tree's place")?;
    mounts::tmpfs(c".", "0755", 1 << 20, 4096).step("mount the tree's root")?;
    // The working directory is still what was there before.
    std::env::set_current_dir(spec.state_dir.join(ROOT)).step("enter the tree's root")?;
    let root = mounts::here().step("enter the tree's root")?;
    let root = root.as_fd();

    for name in SYSTEM {
        show_system(root, name).step(format!("show /{name}"))?;
    }
    write_etc(root).step("write /etc")?;
    make_dev(root).step("make /dev")?;
    for dir in ["proc", "tmp", "run", "var", "dev/shm"] {
        fs::create_dir(dir).step(format!("make /{dir}"))?;
    }
    symlink("/tmp", "var/tmp").step("make /var/tmp")?;
    let files = spec.limits.tmp_bytes / 4096 + 1024;
    mounts::tmpfs(c"tmp", "1777", spec.limits.tmp_bytes, files).step("mount /tmp")?;
    mounts::tmpfs(c"dev/shm", "1777", spec.limits.tmp_bytes, files).step("mount /dev/shm")?;
    for bind in &spec.binds {
        let access = if bind.writable { Access::Write } else { Access::Read };
        let name = || format!("show {} at {}", bind.source.display(), bind.target.display());
        show(root, &bind.source, &bind.target, access).step(name())?;
    }
    mounts::seal_here().step("seal the tree's root")
}

fn show(root: BorrowedFd<'_>, source: &Path, target: &Path, access: Access) -> io::Result<()> {
    let source = File::from(mounts::open_source(source)?);
    let directory = source.metadata()?.is_dir();
    let target = mounts::make_target(root, target, directory)?;
    mounts::bind(source.as_fd(), target.as_fd(), access)
}

fn show_system(root: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let path = Path::new("/").join(name);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_symlink() => symlink(fs::read_link(&path)?, name),
        Ok(meta) if meta.is_dir() => show(root, &path, &path, Access::Read),
        _ => Ok(()),
    }
}

fn write_etc(root: BorrowedFd<'_>) -> io::Result<()> {
    fs::create_dir("etc")?;
    let users =
        "root:x:0:0::/:/usr/sbin/nologin\nmicro:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n";
    fs::write("etc/passwd", users)?;
    fs::write("etc/group", "root:x:0:\nmicro:x:1000:\nnogroup:x:65534:\n")?;
    fs::write("etc/hosts", format!("127.0.0.1 localhost {HOST}\n::1 localhost\n"))?;
    fs::write("etc/hostname", format!("{HOST}\n"))?;
    fs::write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")?;
    fs::write("etc/resolv.conf", "# Names are resolved outside, by the egress door.\n")?;
    for path in ETC {
        // Through the host's own links: this is not a tenant's path.
        match fs::canonicalize(path) {
            Ok(source) => show(root, &source, Path::new(path), Access::Read)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn make_dev(root: BorrowedFd<'_>) -> io::Result<()> {
    fs::create_dir("dev")?;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        show(root, &path, &path, Access::Device)?;
    }
    DEVICE_LINKS.iter().try_for_each(|(to, at)| symlink(to, at))
}
