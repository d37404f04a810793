//! Verdicts to the kernel's filter code: a search tree over ranges of call numbers.

use std::collections::BTreeMap;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};

use super::Verdict;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;

const fn errno(number: u16) -> u32 {
    0x0005_0000 | number as u32
}

/// Where the kernel puts the call's number, its architecture and the low half of an argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

pub(super) fn compile(verdicts: &BTreeMap<u32, Verdict>) -> Vec<sock_filter> {
    let mut code = vec![
        load(ARCH),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        answer(KILL),
        load(NUMBER),
    ];
    code.extend(tree(&ranges(verdicts)));
    code
}

/// Every number belongs to the range that starts at or before it; what is not listed does not exist.
fn ranges(verdicts: &BTreeMap<u32, Verdict>) -> Vec<(u32, Verdict)> {
    let unknown = Verdict::Errno(libc::ENOSYS as u16);
    let mut ranges = vec![(0, unknown)];
    let mut add = |start, verdict| match ranges.last_mut() {
        Some(last) if last.1 == verdict => {}
        Some(last) if last.0 == start => last.1 = verdict,
        _ => ranges.push((start, verdict)),
    };
    let mut next = 0;
    for (&call, &verdict) in verdicts {
        if call > next {
            add(next, unknown);
        }
        add(call, verdict);
        next = call + 1;
    }
    add(next, unknown);
    ranges
}

fn tree(ranges: &[(u32, Verdict)]) -> Vec<sock_filter> {
    if let [(_, verdict)] = ranges {
        return body(*verdict);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (low_code, high_code) = (tree(low), tree(high));
    let mut code = match u8::try_from(low_code.len()) {
        Ok(over) => vec![jump(BPF_JGE, high[0].0, over, 0)],
        // Too far for a branch: over a jump that is not.
        Err(_) => vec![
            jump(BPF_JGE, high[0].0, 0, 1),
            statement(BPF_JMP | BPF_JA, low_code.len() as u32),
        ],
    };
    code.extend(low_code);
    code.extend(high_code);
    code
}

fn body(verdict: Verdict) -> Vec<sock_filter> {
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    let refused = answer(errno(libc::EPERM as u16));
    let allowed = answer(ALLOW);
    match verdict {
        Verdict::Allow => vec![allowed],
        Verdict::Errno(number) => vec![answer(errno(number))],
        Verdict::Clone => vec![
            load(argument(0)),
            jump(BPF_JSET, NEW_NAMESPACES, 0, 1),
            refused,
            allowed,
        ],
        // Typing into another's terminal.
        Verdict::Ioctl => vec![
            load(argument(1)),
            jump(BPF_JEQ, libc::TIOCSTI as u32, 2, 0),
            jump(BPF_JEQ, libc::TIOCLINUX as u32, 1, 0),
            allowed,
            refused,
        ],
        // As it is, what is it, and without address randomisation (debuggers, some compilers' tests).
        Verdict::Personality => vec![
            load(argument(0)),
            jump(BPF_JEQ, 0, 3, 0),
            jump(BPF_JEQ, u32::MAX, 2, 0),
            jump(BPF_JEQ, libc::ADDR_NO_RANDOMIZE as u32, 1, 0),
            refused,
            allowed,
        ],
        // Unix and internet sockets that carry streams or datagrams, and asking the kernel for routes and addresses.
        Verdict::Socket => vec![
            load(argument(0)),
            jump(BPF_JEQ, libc::AF_UNIX as u32, 11, 0),
            jump(BPF_JEQ, libc::AF_INET as u32, 3, 0),
            jump(BPF_JEQ, libc::AF_INET6 as u32, 2, 0),
            jump(BPF_JEQ, libc::AF_NETLINK as u32, 5, 0),
            answer(errno(libc::EAFNOSUPPORT as u16)),
            load(argument(1)),
            statement(BPF_ALU | BPF_AND | BPF_K, 0xf),
            jump(BPF_JEQ, libc::SOCK_STREAM as u32, 4, 0),
            jump(BPF_JEQ, libc::SOCK_DGRAM as u32, 3, 2),
            load(argument(2)),
            jump(BPF_JEQ, libc::NETLINK_ROUTE as u32, 1, 0),
            refused,
            allowed,
        ],
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn answer(value: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, value)
}

fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: (BPF_JMP | test | BPF_K) as u16,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{confine::seccomp::calls, spec::Kind};

    /// The kernel's side, for the few instructions used here.
    fn run(code: &[sock_filter], number: u32, arguments: [u32; 3]) -> u32 {
        let (mut at, mut a) = (0, 0u32);
        loop {
            let i = code[at];
            at += 1;
            let taken = |yes| usize::from(if yes { i.jt } else { i.jf });
            match u32::from(i.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    a = match i.k {
                        NUMBER => number,
                        ARCH => ARCHITECTURE,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                code if code == BPF_ALU | BPF_AND | BPF_K => a &= i.k,
                code if code == BPF_JMP | BPF_JA => at += i.k as usize,
                code if code == BPF_JMP | BPF_JEQ | BPF_K => at += taken(a == i.k),
                code if code == BPF_JMP | BPF_JGE | BPF_K => at += taken(a >= i.k),
                code if code == BPF_JMP | BPF_JSET | BPF_K => at += taken(a & i.k != 0),
                code if code == BPF_RET | BPF_K => return i.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn every_number_gets_its_own_verdict() {
        for kind in [Kind::Service, Kind::Build] {
            let verdicts = calls::verdicts(kind);
            let code = compile(&verdicts);
            for number in (0..600).chain([0x4000_0000, u32::MAX]) {
                let expected = match verdicts.get(&number) {
                    Some(Verdict::Allow) => ALLOW,
                    Some(Verdict::Errno(e)) => errno(*e),
                    Some(_) => continue,
                    None => errno(libc::ENOSYS as u16),
                };
                assert_eq!(run(&code, number, [0; 3]), expected, "{kind:?} {number}");
            }
        }
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let code = compile(&calls::verdicts(Kind::Service));
        let socket = |domain: i32, kind: i32, protocol: i32| {
            run(
                &code,
                libc::SYS_socket as u32,
                [domain as u32, kind as u32, protocol as u32],
            )
        };
        let refused = errno(libc::EPERM as u16);
        assert_eq!(socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET6, libc::SOCK_DGRAM, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP), refused);
        assert_eq!(socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE), ALLOW);
        assert_eq!(
            socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
            refused
        );
        assert_eq!(
            socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
            errno(libc::EAFNOSUPPORT as u16)
        );
        assert_eq!(
            socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0),
            errno(libc::EAFNOSUPPORT as u16)
        );

        let one = |call: libc::c_long, index: usize, value: u32| {
            let mut arguments = [0; 3];
            arguments[index] = value;
            run(&code, call as u32, arguments)
        };
        assert_eq!(
            one(libc::SYS_clone, 0, (libc::CLONE_VM | libc::CLONE_THREAD) as u32),
            ALLOW
        );
        assert_eq!(one(libc::SYS_clone, 0, libc::CLONE_NEWUSER as u32), refused);
        assert_eq!(one(libc::SYS_ioctl, 1, libc::TIOCSTI as u32), refused);
        assert_eq!(one(libc::SYS_ioctl, 1, libc::FIONBIO as u32), ALLOW);
        assert_eq!(one(libc::SYS_personality, 0, u32::MAX), ALLOW);
        assert_eq!(one(libc::SYS_personality, 0, 8), refused);
    }
}
