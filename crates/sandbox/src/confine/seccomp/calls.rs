//! Which system calls there are for tenant code.

use std::collections::BTreeMap;

use super::Verdict;
use crate::spec::Kind;

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name as u32),*] };
}

/// The verdict on every call that is not simply unknown (ENOSYS: programs then fall back to older ones).
pub(super) fn verdicts(kind: Kind) -> BTreeMap<u32, Verdict> {
    let mut verdicts = BTreeMap::new();
    let mut all = |calls: &[u32], verdict| verdicts.extend(calls.iter().map(|call| (*call, verdict)));
    all(ALLOWED, Verdict::Allow);
    all(ALLOWED_HERE, Verdict::Allow);
    if kind == Kind::Build {
        all(ALLOWED_FOR_BUILDS, Verdict::Allow);
    }
    all(REFUSED, Verdict::Errno(libc::EPERM as u16));
    all(REFUSED_HERE, Verdict::Errno(libc::EPERM as u16));
    all(calls![SYS_clone], Verdict::Clone);
    all(calls![SYS_ioctl], Verdict::Ioctl);
    all(calls![SYS_personality], Verdict::Personality);
    all(calls![SYS_socket], Verdict::Socket);
    verdicts
}

/// What languages, their runtimes and servers use.
const ALLOWED: &[u32] = calls![
    // files
    SYS_read SYS_write SYS_close SYS_fstat SYS_lseek SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_preadv SYS_pwritev
    SYS_preadv2 SYS_pwritev2 SYS_openat SYS_openat2 SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat
    SYS_faccessat2 SYS_readlinkat SYS_getdents64 SYS_getcwd SYS_chdir SYS_fchdir SYS_mkdirat SYS_unlinkat
    SYS_renameat2 SYS_linkat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_umask
    SYS_utimensat SYS_truncate SYS_ftruncate SYS_fallocate SYS_fadvise64 SYS_readahead SYS_fsync SYS_fdatasync
    SYS_flock SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_close_range SYS_sendfile SYS_splice SYS_tee
    SYS_vmsplice SYS_copy_file_range SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_listxattr SYS_llistxattr
    SYS_flistxattr SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr
    SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch SYS_io_setup SYS_io_destroy SYS_io_submit
    SYS_io_getevents SYS_io_cancel
    // memory
    SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_msync SYS_brk SYS_mlock SYS_mlock2 SYS_munlock
    SYS_mlockall SYS_munlockall SYS_memfd_create SYS_membarrier SYS_mseal SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect
    SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_get_mempolicy SYS_set_mempolicy SYS_mbind
    // processes and threads
    SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tkill SYS_tgkill SYS_getpid
    SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_set_tid_address SYS_set_robust_list
    SYS_get_robust_list SYS_rseq SYS_futex SYS_futex_waitv SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity
    SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler SYS_sched_setscheduler SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_rr_get_interval SYS_sched_getattr SYS_sched_setattr SYS_getpriority
    SYS_setpriority SYS_prctl SYS_getrusage SYS_times SYS_prlimit64 SYS_getcpu SYS_pidfd_open
    SYS_pidfd_send_signal SYS_semget SYS_semop SYS_semctl SYS_semtimedop SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl
    SYS_seccomp SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
    // who one is
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_setuid SYS_setgid
    SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_setfsuid SYS_setfsgid SYS_capget SYS_capset
    SYS_uname SYS_sysinfo
    // signals and time
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigqueueinfo
    SYS_rt_tgsigqueueinfo SYS_rt_sigsuspend SYS_sigaltstack SYS_restart_syscall SYS_nanosleep SYS_clock_nanosleep
    SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_settime
    SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
    SYS_signalfd4 SYS_eventfd2
    // network and waiting
    SYS_socketpair SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_getsockname SYS_getpeername SYS_sendto
    SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_shutdown SYS_setsockopt SYS_getsockopt
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_ppoll SYS_pselect6 SYS_getrandom
];

/// Their older forms, which this architecture still has, and what libc names for it only.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[u32] = calls![
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents SYS_mkdir SYS_rmdir SYS_unlink SYS_rename
    SYS_link SYS_symlink SYS_chmod SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_dup2 SYS_pipe SYS_fork
    SYS_vfork SYS_getpgrp SYS_arch_prctl SYS_alarm SYS_pause SYS_time SYS_signalfd SYS_eventfd SYS_epoll_create
    SYS_epoll_wait SYS_poll SYS_select SYS_inotify_init SYS_renameat SYS_getrlimit SYS_setrlimit SYS_sync_file_range
    SYS_fchmodat2
];
/// The same few that libc has no name for here: renameat, sync_file_range, getrlimit, setrlimit, fchmodat2.
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[u32] = &[38, 84, 163, 164, 452];

/// Package managers unpack archives with pipes in them, and tests talk through message queues.
const ALLOWED_FOR_BUILDS: &[u32] = calls![
    SYS_mknodat SYS_ioprio_get SYS_ioprio_set SYS_sync SYS_syncfs SYS_mq_open SYS_mq_unlink SYS_mq_timedsend
    SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
];

/// Known and refused: ways to other processes, the kernel, its tables of mounts, keys and names.
const REFUSED: &[u32] = calls![
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp SYS_pidfd_getfd SYS_process_madvise
    SYS_process_mrelease SYS_unshare SYS_setns SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree
    SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_mount_setattr SYS_open_by_handle_at
    SYS_name_to_handle_at SYS_add_key SYS_request_key SYS_keyctl SYS_bpf SYS_perf_event_open SYS_userfaultfd
    SYS_memfd_secret SYS_fanotify_init SYS_fanotify_mark SYS_init_module SYS_finit_module SYS_delete_module
    SYS_kexec_load SYS_reboot SYS_swapon SYS_swapoff SYS_acct SYS_quotactl SYS_quotactl_fd SYS_settimeofday
    SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_sethostname SYS_setdomainname SYS_syslog SYS_vhangup
    SYS_move_pages SYS_migrate_pages SYS_lookup_dcookie SYS_nfsservctl
];
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[u32] = calls![
    SYS_mknod SYS_iopl SYS_ioperm SYS_modify_ldt SYS_uselib SYS_ustat SYS_sysfs SYS__sysctl SYS_kexec_file_load
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[u32] = &[];
