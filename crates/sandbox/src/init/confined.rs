//! A keeper as the first process of namespaces of its own. Stage 0 puts the tree together where the host can still be
//! seen, makes the keeper, gives it its uids, and is done.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::chown, net::UnixStream},
    },
};

use super::{Outside, doors, keep::Keep, report, service};
use crate::{
    capabilities::{Capabilities, MemoryLimit, Mode},
    confine::{capabilities, cgroup::Groups, landlock, mounts, network, rlimits, seccomp, tree, userns},
    control,
    failure::{Failure, Step},
    launch::{self, Order, Report},
    spec::Spec,
    sys,
};

/// Below it are people, system services and `nobody`.
const LOWEST_UID: u32 = 65_536;

/// Stage 0.
pub(super) fn make(order: &Order, launcher: &UnixStream) -> Result<(), Failure> {
    // SAFETY: plain number.
    unsafe { libc::umask(0o022) };
    let spec = &order.spec;
    // When the machine itself runs out of memory, tenants go before the server and its database. Where it may not be
    // said, all are equal.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
    let outside = Outside::open(order, launcher)?;
    let groups = match order.mode {
        Mode::Root => {
            hand_logs_over(spec)?;
            let groups = Groups::make(&spec.state_dir, &format!("micro-{}", spec.id), &spec.limits);
            userns::unshare(libc::CLONE_NEWNS).step("make a mount namespace")?;
            groups
        }
        _ => {
            // SAFETY: plain calls.
            let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
            if uid == 0 {
                // Without capabilities, but with root's name, to whom the kernel's settings belong.
                return Err(io::Error::from_raw_os_error(libc::EPERM)).step("be somebody else than root");
            }
            userns::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).step("make a user namespace")?;
            userns::map_self(0, uid, gid).step("map the own user")?;
            Groups::default()
        }
    };
    tree::build(spec)?;

    let (go, to_go) = sys::pipe(0).step("make pipes")?;
    let keeper = userns::fork_into(userns::NAMESPACES).step("make namespaces")?;
    if keeper == 0 {
        drop(to_go);
        // Hearing nothing means that stage 0 has failed, and says so itself.
        let finished = if told(go) {
            keep(order, launcher, outside, groups)
        } else {
            Ok(())
        };
        if let Err(failure) = &finished {
            report(launcher, &Report::Failed(failure.clone()));
        }
        // SAFETY: this is the first process of its namespace; nothing of stage 0 is to run in it.
        unsafe { libc::_exit(i32::from(finished.is_err())) }
    }
    drop(go);
    let (maps, may_set_groups) = maps(order)?;
    // If it fails, the keeper hears nothing and ends.
    userns::map(&keeper.to_string(), &maps, may_set_groups).step("map the sandbox's users")?;
    File::from(to_go).write_all(b"!").step("start the keeper")
}

/// In root mode two host uids that nobody else has: the keeper is root within, the program a user. In user mode both are
/// the user outside, and the keeper is protected by not being traceable.
fn maps(order: &Order) -> Result<(String, bool), Failure> {
    match order.mode {
        Mode::Root => {
            let base = uid_base(&order.spec)?;
            Ok((format!("0 {base} 1\n{} {} 1\n", userns::SERVICE_UID, base + 1), true))
        }
        _ => Ok((format!("{} 0 1\n", userns::SERVICE_UID), false)),
    }
}

fn uid_base(spec: &Spec) -> Result<u32, Failure> {
    let base = spec.uid_base.filter(|base| (LOWEST_UID..u32::MAX - 2).contains(base));
    base.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "root mode needs host uids of its own"))
        .step("choose the sandbox's users")
}

/// The keeper has no right over other users' files, so its logs must be its own.
fn hand_logs_over(spec: &Spec) -> Result<(), Failure> {
    let base = uid_base(spec)?;
    chown(spec.state_dir.join(launch::LOGS), Some(base), Some(base)).step("hand the log over")
}

fn told(go: OwnedFd) -> bool {
    File::from(go).read_exact(&mut [0]).is_ok()
}

/// The keeper, from its birth to its end.
fn keep(order: &Order, launcher: &UnixStream, outside: Outside, groups: Groups) -> Result<(), Failure> {
    let spec = &order.spec;
    let proc_flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mounts::mount(Some(c"proc"), c"proc", Some(c"proc"), proc_flags, Some(c"hidepid=2")).step("mount /proc")?;
    mounts::enter_here().step("enter the tree")?;
    network::raise_loopback().step("raise the loopback")?;
    network::name_host(tree::HOST).step("name the host")?;
    let doors = doors::open(&spec.doors)?;
    if order.mode == Mode::Root {
        userns::become_uid(0).step("become the keeper's user")?;
    }
    // Nobody traces the keeper or reads its memory, even with the same uid.
    sys::prctl(libc::PR_SET_DUMPABLE, 0).step("hide the keeper")?;
    capabilities::no_new_privileges().step("give up privileges")?;
    // Who listens is who the server takes for its peer.
    control::listen(outside.control.as_fd()).step("listen for the server")?;
    let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM]).step("watch the program")?;

    let capabilities = Capabilities {
        mode: order.mode,
        memory: if groups.bounds_memory() {
            MemoryLimit::Instance
        } else {
            MemoryLimit::Process
        },
        tasks_cgroup: groups.bounds_tasks(),
        landlock: landlock::present(),
    };
    let service = service::start(order, |spec| confine(spec, order.mode, &groups))?;
    let kept: &[u32] = if order.mode == Mode::Root {
        &[capabilities::KILL]
    } else {
        &[]
    };
    capabilities::keep_only(kept).step("give up capabilities")?;
    report(launcher, &Report::Ready(capabilities));
    Keep::new(
        outside,
        signals,
        service,
        doors,
        capabilities,
        Some(Box::new(move || groups.ran_out_of_memory())),
    )
    .run();
    Ok(())
}

/// On the program's side of the fork, from least to most: each lock would be in the way of those before it.
fn confine(spec: &Spec, mode: Mode, groups: &Groups) -> Result<(), Failure> {
    groups.join().step("join the control group")?;
    capabilities::drop_bounding_set().step("give up capabilities")?;
    if mode == Mode::Root {
        userns::own_outputs(userns::SERVICE_UID).step("own its output")?;
        userns::become_uid(userns::SERVICE_UID).step("become the program's user")?;
    }
    capabilities::keep_only(&[]).step("give up capabilities")?;
    capabilities::no_new_privileges().step("give up privileges")?;
    rlimits::apply(&spec.limits, !groups.bounds_memory()).step("set resource limits")?;
    rlimits::yield_to_services(spec.kind).step("lower its priority")?;
    if landlock::present() {
        landlock::apply(spec).step("lock files")?;
    }
    seccomp::apply(spec.kind).step("filter system calls")
}
