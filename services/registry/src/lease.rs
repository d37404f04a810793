//! One registered node and how long it stays.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use micro_domain::InstanceId;
use micro_proto::registry::Node;
use micro_rpc::mesh::Connect;
use time::{Duration, OffsetDateTime};

use crate::connect::Loopback;

/// A node that is registered until its lease ends. Renewing it changes nothing else.
pub struct Lease {
    /// As it was registered.
    pub node: Node,
    /// The instance that registered it; none where somebody started it by hand.
    pub instance: Option<InstanceId>,
    /// The port in its address.
    pub port: u16,
    /// The way to it where there is no instance to ask for one.
    pub direct: Option<Arc<dyn Connect>>,
    /// Whether it was registered with an earlier server.
    pub was_read_back: bool,
    ttl: i64,
    ends: AtomicI64,
}

impl Lease {
    /// A lease of `ttl` seconds; 0 for one that ends with its instance only.
    pub fn new(node: Node, instance: Option<InstanceId>, port: u16, ttl: i64, now: OffsetDateTime) -> Self {
        let direct = instance.is_none().then(|| Arc::new(Loopback(port)) as Arc<dyn Connect>);
        let lease = Self {
            node,
            instance,
            port,
            direct,
            was_read_back: false,
            ttl: ttl.max(0),
            ends: AtomicI64::new(i64::MAX),
        };
        lease.renew(ttl, now);
        lease
    }

    /// The same, as an earlier server wrote it down.
    #[must_use]
    pub fn read_back(self) -> Self {
        Self {
            was_read_back: true,
            ..self
        }
    }

    /// Another `ttl` seconds from now.
    pub fn renew(&self, ttl: i64, now: OffsetDateTime) {
        let ends = match ttl {
            ..=0 => i64::MAX,
            seconds => millis(now + Duration::seconds(seconds.min(86_400))),
        };
        self.ends.store(ends, Ordering::Relaxed);
    }

    /// Whether it has not ended.
    pub fn lives(&self, now: OffsetDateTime) -> bool {
        self.ends.load(Ordering::Relaxed) > millis(now)
    }

    /// Seconds that were asked for.
    pub fn ttl(&self) -> i64 {
        self.ttl
    }

    /// Whether the same node was registered again, by the same instance.
    pub fn is_same(&self, node: &Node, instance: Option<InstanceId>) -> bool {
        self.node == *node && self.instance == instance
    }
}

fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).expect("within some million years")
}

/// The port of a node: of its address (`10.0.0.7:4711`, `[::1]:4711`, `greeter:4711`), or as given beside it.
pub fn port_of(node: &Node) -> Option<u16> {
    let (host, port) = node.address.rsplit_once(':').unwrap_or((&node.address, ""));
    let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    match port {
        "" => u16::try_from(node.port).ok().filter(|port| *port != 0),
        _ if bare_v6 => None,
        port => port.parse().ok().filter(|port| *port != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_each_form_of_address() {
        let node = |address: &str, port| Node {
            address: address.into(),
            port,
            ..Default::default()
        };
        for (address, port, read) in [
            ("10.0.0.7:4711", 0, Some(4711)),
            ("[::1]:4711", 0, Some(4711)),
            ("[fd00::7%eth0]:80", 0, Some(80)),
            ("greeter:80", 0, Some(80)),
            ("10.0.0.7", 80, Some(80)),
            ("fd00::7:80", 0, None),
            ("10.0.0.7", 0, None),
            ("10.0.0.7:", 0, None),
            ("10.0.0.7:0", 0, None),
            ("10.0.0.7:65536", 0, None),
            ("", -1, None),
        ] {
            assert_eq!(port_of(&node(address, port)), read, "{address:?} {port}");
        }
    }
}
