//! Tenant code that tries everything. Inside, nothing may work; outside, what is expected to work does, or else the
//! attempts would prove nothing.

use std::{
    ffi::CString,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::support::{Workplace, confined, launchers, texts};

/// What a tenant would like to reach.
#[derive(Serialize, Deserialize)]
struct Targets {
    server_pid: u32,
    neighbours_file: String,
    servers_key: String,
    database_socket: String,
    abstract_name: String,
    loopback: SocketAddr,
}

type Attempt = fn(&Targets) -> io::Result<()>;

/// Name, whether it works without confinement by the same user, and the attempt: it succeeds by returning.
const ATTEMPTS: &[(&str, bool, Attempt)] = &[
    ("read a neighbour's file", true, |t| {
        fs::read(&t.neighbours_file).map(drop)
    }),
    ("read the server's key", true, |t| fs::read(&t.servers_key).map(drop)),
    ("read the server's environment", true, |t| {
        fs::read(format!("/proc/{}/environ", t.server_pid)).map(drop)
    }),
    ("see other processes", true, |_| other_process().map(drop)),
    ("reach the database's socket", true, |t| {
        UnixStream::connect(&t.database_socket).map(drop)
    }),
    ("reach an abstract socket", true, |t| {
        UnixStream::connect_addr(&UnixAddr::from_abstract_name(&t.abstract_name)?).map(drop)
    }),
    ("reach the host's loopback", true, |t| {
        TcpStream::connect(t.loopback).map(drop)
    }),
    ("signal the server", true, |t| {
        number(unsafe { libc::kill(t.server_pid as i32, 0) })
    }),
    ("read the host's accounts", false, |_| fs::read("/etc/shadow").map(drop)),
    ("find the host's name", false, |_| {
        expect(fs::read_to_string("/proc/sys/kernel/hostname")?.trim() != "micro")
    }),
    ("reach the metadata service", false, |_| {
        TcpStream::connect_timeout(
            &"169.254.169.254:80".parse().expect("an address"),
            Duration::from_millis(500),
        )
        .map(drop)
    }),
    ("reach the internet", false, |_| {
        TcpStream::connect_timeout(&"1.1.1.1:443".parse().expect("an address"), Duration::from_millis(500)).map(drop)
    }),
    ("inherit a descriptor", false, |_| {
        expect((3..256).any(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1))
    }),
    ("inherit an environment", false, |_| {
        expect(std::env::vars_os().any(|(key, _)| key != "PATH"))
    }),
    ("trace the keeper", false, |_| {
        number(unsafe { libc::ptrace(libc::PTRACE_SEIZE, 1, 0, 0) })
    }),
    ("read the keeper's memory", false, |_| {
        fs::File::open("/proc/1/mem").map(drop)
    }),
    ("read the keeper's environment", false, |_| {
        fs::read("/proc/1/environ").map(drop)
    }),
    ("list the keeper's descriptors", false, |_| {
        fs::read_dir("/proc/1/fd").map(drop)
    }),
    ("enter the keeper's root", false, |_| {
        fs::read_dir("/proc/1/root/").map(drop)
    }),
    ("copy the keeper's descriptor", false, |_| {
        let keeper = unsafe { libc::syscall(libc::SYS_pidfd_open, 1, 0) };
        number(unsafe { libc::syscall(libc::SYS_pidfd_getfd, keeper, 3, 0) })
    }),
    ("read the keeper's memory by call", false, |_| {
        let mut byte = [0u8];
        let to = libc::iovec {
            iov_base: byte.as_mut_ptr().cast(),
            iov_len: 1,
        };
        let from = libc::iovec {
            iov_base: 0x40_0000 as *mut _,
            iov_len: 1,
        };
        number(unsafe { libc::process_vm_readv(1, &to, 1, &from, 1, 0) } as i64)
    }),
    ("signal the keeper", false, |_| {
        number(unsafe { libc::kill(1, libc::SIGTERM) })
    }),
    ("become root", false, |_| number(unsafe { libc::setresuid(0, 0, 0) })),
    ("become another user", false, |_| {
        number(unsafe { libc::setresuid(1, 1, 1) })
    }),
    ("gain a capability", false, |_| {
        let header = [0x2008_0522u32, 0];
        let data = [u32::MAX; 6];
        number(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })
    }),
    ("nest a user namespace", false, |_| {
        number(unsafe { libc::unshare(libc::CLONE_NEWUSER) })
    }),
    ("clone into a user namespace", false, |_| {
        forked(unsafe {
            libc::syscall(
                libc::SYS_clone,
                (libc::CLONE_NEWUSER | libc::SIGCHLD) as libc::c_long,
                0,
                0,
                0,
                0,
            )
        })
    }),
    ("clone3 into a user namespace", false, |_| {
        let arguments = [libc::CLONE_NEWUSER as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        forked(unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) })
    }),
    ("enter a namespace", false, |_| {
        let own = fs::File::open("/proc/self/ns/net")?;
        number(unsafe { libc::setns(own.as_raw_fd(), 0) })
    }),
    ("add a key", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_add_key, c"user".as_ptr(), c"k".as_ptr(), c"v".as_ptr(), 1, -2) })
    }),
    ("use the keyring", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) })
    }),
    ("use io_uring", false, |_| {
        let mut parameters = [0u8; 256];
        number(unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) })
    }),
    ("use userfaultfd", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_userfaultfd, 1) })
    }),
    ("use bpf", false, |_| {
        let attributes = [0u8; 128];
        number(unsafe { libc::syscall(libc::SYS_bpf, 0, attributes.as_ptr(), attributes.len()) })
    }),
    ("use perf events", false, |_| {
        let mut attributes = [0u8; 128];
        attributes[0] = 1;
        attributes[4] = 128;
        number(unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) })
    }),
    ("open a vsock", false, |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM)),
    ("open a raw socket", false, |_| socket(libc::AF_INET, libc::SOCK_RAW)),
    ("open a packet socket", false, |_| {
        socket(libc::AF_PACKET, libc::SOCK_RAW)
    }),
    ("open the kernel's crypto", false, |_| {
        socket(libc::AF_ALG, libc::SOCK_SEQPACKET)
    }),
    ("write a kernel setting", false, |_| {
        fs::OpenOptions::new()
            .write(true)
            .open("/proc/sys/kernel/core_pattern")
            .map(drop)
    }),
    ("write a network setting", false, |_| {
        fs::OpenOptions::new()
            .write(true)
            .open("/proc/sys/net/ipv4/ip_unprivileged_port_start")
            .map(drop)
    }),
    ("press sysrq", false, |_| {
        fs::OpenOptions::new().write(true).open("/proc/sysrq-trigger").map(drop)
    }),
    ("see the kernel's devices", false, |_| {
        fs::read_dir("/sys/class").map(drop)
    }),
    ("read the kernel's log", false, |_| {
        number(unsafe { libc::klogctl(3, [0i8; 64].as_mut_ptr(), 64) })
    }),
    ("mount", false, |_| {
        number(unsafe {
            libc::mount(
                c"none".as_ptr(),
                c"/tmp".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                std::ptr::null(),
            )
        })
    }),
    ("mount by the new calls", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0) })
    }),
    ("clone a mount", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_open_tree, -100, c"/".as_ptr(), 1) })
    }),
    ("unmount /proc", false, |_| {
        number(unsafe { libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) })
    }),
    ("change root", false, |_| {
        number(unsafe { libc::chroot(c"/tmp".as_ptr()) })
    }),
    ("pivot root", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_pivot_root, c"/tmp".as_ptr(), c"/tmp".as_ptr()) })
    }),
    ("climb above the root", false, |_| {
        fs::read_dir("/../../../../root").map(drop)
    }),
    ("open a file by handle", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_open_by_handle_at, -100, [0u8; 64].as_ptr(), 0) })
    }),
    ("make a device", false, |_| device("/tmp/device", libc::makedev(8, 0))),
    ("make the null device", false, |_| {
        device("/tmp/null", libc::makedev(1, 3))
    }),
    ("open a disk", false, |_| {
        open_any(&["/dev/vda", "/dev/sda", "/dev/nvme0n1"])
    }),
    ("open the kernel's memory", false, |_| {
        open_any(&["/dev/mem", "/dev/kmem", "/proc/kcore", "/dev/kmsg"])
    }),
    ("open a tunnel or fuse", false, |_| {
        open_any(&["/dev/net/tun", "/dev/fuse", "/dev/kvm"])
    }),
    ("open a terminal", false, |_| {
        open_any(&["/dev/tty", "/dev/console", "/dev/ptmx"])
    }),
    ("write to the system", false, |_| {
        fs::write("/usr/bin/planted", "").and(fs::write("/etc/planted", ""))
    }),
    ("write to the root", false, |_| fs::write("/planted", "")),
    ("write to accounts", false, |_| {
        fs::OpenOptions::new().append(true).open("/etc/passwd").map(drop)
    }),
    ("write to its own program", false, |_| {
        fs::OpenOptions::new().write(true).open("/probe").map(drop)
    }),
    ("make /usr writable", false, |_| {
        number(unsafe {
            let flags = libc::MS_REMOUNT | libc::MS_BIND;
            libc::mount(
                std::ptr::null(),
                c"/usr".as_ptr(),
                std::ptr::null(),
                flags,
                std::ptr::null(),
            )
        })
    }),
    ("use the other call table", false, |_| {
        number(unsafe { libc::syscall(0x4000_0000 | libc::SYS_getpid) })
    }),
    ("set the clock", false, |_| {
        number(unsafe { libc::settimeofday(&libc::timeval { tv_sec: 0, tv_usec: 0 }, std::ptr::null()) })
    }),
    ("rename the host", false, |_| {
        number(unsafe { libc::sethostname(c"x".as_ptr(), 1) })
    }),
    ("load a module", false, |_| {
        number(unsafe { libc::syscall(libc::SYS_finit_module, 0, c"".as_ptr(), 0) })
    }),
];

/// The role inside: one line for each attempt, whatever happens.
pub fn attempt_all(targets: &str) -> i32 {
    let (open_only, targets): (bool, Targets) = serde_json::from_str(targets).expect("targets");
    for (name, open, attempt) in ATTEMPTS {
        if open_only && !open {
            continue;
        }
        let line = match attempt(&targets) {
            Ok(()) => format!("OPEN {name}"),
            Err(e) => format!("denied {name}: {e}"),
        };
        println!("{line}");
        io::stdout().flush().expect("flushed");
    }
    0
}

/// A host with something on it to steal.
struct Host {
    targets: Targets,
    _listening: (UnixListener, UnixListener, TcpListener),
    _neighbour: Workplace,
}

impl Host {
    fn new() -> Self {
        let neighbour = Workplace::new();
        let plant = |name: &str| {
            fs::write(neighbour.path(name), "secret").expect("written");
            neighbour.path(name).to_str().expect("a plain path").to_owned()
        };
        let database = neighbour.path("postgres.sock");
        let abstract_name = format!("micro-test-{}", micro_clock::Ids.random());
        let address = UnixAddr::from_abstract_name(&abstract_name).expect("a name");
        let loopback = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self {
            targets: Targets {
                server_pid: std::process::id(),
                neighbours_file: plant("neighbours-file"),
                servers_key: plant("signing-key"),
                database_socket: database.to_str().expect("a plain path").to_owned(),
                abstract_name,
                loopback: loopback.local_addr().expect("bound"),
            },
            _listening: (
                UnixListener::bind(&database).expect("a socket"),
                UnixListener::bind_addr(&address).expect("a socket"),
                loopback,
            ),
            _neighbour: neighbour,
        }
    }
}

#[tokio::test]
async fn nothing_works_inside() {
    for kind in [micro_sandbox::Kind::Service, micro_sandbox::Kind::Build] {
        let (host, launcher, place) = (Host::new(), confined(), Workplace::new());
        let targets = serde_json::to_string(&(false, &host.targets)).expect("targets");
        let mut spec = place.role(launcher.mode(), ["hostile", &targets]);
        spec.kind = kind;
        let keeper = launcher.launch(spec).await.expect("started");
        let exit = keeper.wait().await.expect("ended");
        let texts = texts(&place);
        assert!(exit.success(), "{:?} {texts:#?}", exit.reason);
        let open: Vec<_> = texts.iter().filter(|text| text.starts_with("OPEN")).collect();
        assert!(open.is_empty(), "{:?} {kind:?}: {open:#?}", launcher.mode());
        assert_eq!(
            texts.iter().filter(|text| text.starts_with("denied")).count(),
            ATTEMPTS.len()
        );
    }
}

#[tokio::test]
async fn the_attempts_are_real() {
    let [plain, _] = launchers();
    let (host, place) = (Host::new(), Workplace::new());
    let targets = serde_json::to_string(&(true, &host.targets)).expect("targets");
    let spec = place.role(plain.mode(), ["hostile", &targets]);
    plain.launch(spec).await.expect("started").wait().await.expect("ended");
    let denied: Vec<_> = texts(&place)
        .into_iter()
        .filter(|text| text.starts_with("denied"))
        .collect();
    assert!(denied.is_empty(), "{denied:#?}");
}

fn number(result: impl Into<i64>) -> io::Result<()> {
    if result.into() == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn expect(breach: bool) -> io::Result<()> {
    if breach {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A child that came to be has shown enough.
fn forked(pid: i64) -> io::Result<()> {
    if pid == 0 {
        std::process::exit(0);
    }
    number(pid)
}

fn other_process() -> io::Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && pid != std::process::id()
        {
            return Ok(pid);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn socket(domain: i32, kind: i32) -> io::Result<()> {
    number(unsafe { libc::socket(domain, kind, 0) })
}

fn device(path: &str, number: libc::dev_t) -> io::Result<()> {
    let path = CString::new(path).expect("no NUL");
    self::number(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, number) })
}

fn open_any(paths: &[&str]) -> io::Result<()> {
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for path in paths {
        match fs::File::open(path).and_then(|mut file| file.read(&mut [0])) {
            Ok(_) => return Ok(()),
            Err(e) => why = e,
        }
    }
    Err(why)
}
