//! Which hosts a build may reach, decided on the name asked for and again on every address it resolves to.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use async_trait::async_trait;

/// Why a rule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host, host:port or *.suffix")]
pub struct BadRule(pub String);

/// Why a connection was refused, in words for the build's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody listed it.
    #[error("{0} is not among the hosts that builds may reach")]
    NotListed(String),
    /// A public name that leads inside.
    #[error("{0} leads to an address inside, which is not listed")]
    Inside(String),
    /// No such name.
    #[error("{0} does not resolve")]
    Unresolved(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// One address.
    Address(IpAddr),
    /// One name.
    Name(String),
    /// Every name below this one, which starts with a dot.
    Below(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    host: Host,
    /// 80 and 443 where none is given.
    port: Option<u16>,
}

/// The hosts that builds and git may reach: `host`, `host:port` or `*.suffix`, with ports 80 and 443 by default. Empty:
/// none. A name may lead to a private address only if it is listed by itself; link-local ones (cloud metadata) only as
/// the address itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildEgress(Vec<Rule>);

impl BuildEgress {
    /// Reads a list of rules.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRule> {
        rules.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether nothing may be reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses to try for `host`:`port`, if it may be reached. Resolves here, and hands out only what it checked:
    /// a name that resolves differently the next time changes nothing.
    pub async fn admit(&self, host: &str, port: u16, resolver: &dyn Resolve) -> Result<Vec<SocketAddr>, Refused> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .ok();
        let named = || format!("{host}:{port}");
        let rule = self
            .0
            .iter()
            .filter(|rule| rule.port.map_or(matches!(port, 80 | 443), |p| p == port))
            .filter(|rule| match (&rule.host, literal) {
                (Host::Address(listed), Some(asked)) => plain(*listed) == plain(asked),
                (Host::Name(listed), None) => *listed == host,
                (Host::Below(suffix), None) => host.ends_with(suffix),
                _ => false,
            })
            .min_by_key(|rule| matches!(rule.host, Host::Below(_)))
            .ok_or_else(|| Refused::NotListed(named()))?;
        if let Some(address) = literal {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = resolver
            .resolve(&host, port)
            .await
            .map_err(|_| Refused::Unresolved(host.clone()))?;
        if found.is_empty() {
            return Err(Refused::Unresolved(host));
        }
        let listed = matches!(rule.host, Host::Name(_));
        let fine = |address: &SocketAddr| match reach(address.ip()) {
            Reach::Public => true,
            Reach::Private => listed || self.lists(address),
            Reach::Never => self.lists(address),
        };
        // One bad address among good ones is an attempt, not an accident.
        if found.iter().all(fine) {
            Ok(found)
        } else {
            Err(Refused::Inside(named()))
        }
    }

    /// Whether the address is listed as such.
    fn lists(&self, address: &SocketAddr) -> bool {
        self.0.iter().any(|rule| {
            matches!(rule.host, Host::Address(listed) if plain(listed) == plain(address.ip()))
                && rule.port.is_none_or(|port| port == address.port())
        })
    }
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let bad = || BadRule(text.to_owned());
        let text = text.trim().to_ascii_lowercase();
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self {
                host: Host::Address(address),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| bad())?)),
            None => (text.as_str(), None),
        };
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Self {
                host: Host::Address(address),
                port,
            });
        }
        let name = host.strip_prefix('*').unwrap_or(host);
        let plain = name.strip_prefix('.').filter(|_| host.starts_with('*')).unwrap_or(name);
        let valid = !plain.is_empty()
            && (!host.starts_with('*') || name.starts_with('.'))
            && plain.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            });
        match (valid, host.starts_with('*')) {
            (false, _) => Err(bad()),
            (true, true) => Ok(Self {
                host: Host::Below(name.to_owned()),
                port,
            }),
            (true, false) => Ok(Self {
                host: Host::Name(host.to_owned()),
                port,
            }),
        }
    }
}

impl fmt::Display for BuildEgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, rule) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match &rule.host {
                Host::Address(address) => write!(f, "{comma}{address}")?,
                Host::Name(name) => write!(f, "{comma}{name}")?,
                Host::Below(suffix) => write!(f, "{comma}*{suffix}")?,
            }
            if let Some(port) = rule.port {
                write!(f, ":{port}")?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
    Never,
}

/// An IPv4 address in IPv6 clothes is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.octets() {
            // IPv4-mapped, and NAT64's well-known prefix.
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

fn reach(address: IpAddr) -> Reach {
    match plain(address) {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let reserved = a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && (b == 18 || b == 19));
    if v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || a == 0 || reserved {
        Reach::Never
    } else if v4.is_loopback() || v4.is_private() || shared || v4.is_documentation() {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    if v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified() {
        Reach::Never
    } else if v6.is_loopback() || v6.is_unique_local() || v6.segments()[0] & 0xe000 != 0x2000 {
        // Only 2000::/3 is the public internet.
        Reach::Private
    } else if let [0x2002, high, low, ..] = v6.segments() {
        // 6to4 carries an IPv4 address.
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        reach_v4(Ipv4Addr::new(a, b, c, d))
    } else {
        Reach::Public
    }
}

/// How names become addresses.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `host`.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the machine resolves.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(&'static [&'static str]);

    #[async_trait]
    impl Resolve for Names {
        async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            Ok(self
                .0
                .iter()
                .map(|a| SocketAddr::new(a.parse().expect("an address"), port))
                .collect())
        }
    }

    async fn admit(rules: &[&str], host: &str, port: u16, leads_to: &'static [&'static str]) -> Result<usize, Refused> {
        let egress = BuildEgress::parse(rules.iter().copied()).expect("rules");
        egress
            .admit(host, port, &Names(leads_to))
            .await
            .map(|found| found.len())
    }

    #[tokio::test]
    async fn only_listed_hosts_pass() {
        const PUBLIC: &[&str] = &["93.184.216.34"];
        for (rules, host, port) in [
            (["packages.example"].as_slice(), "packages.example", 443),
            (&["packages.example"], "PACKAGES.example.", 80),
            (&["*.packages.example"], "static.packages.example", 443),
            (&["mirror.dev:8081"], "mirror.dev", 8081),
            (&["93.184.216.34"], "93.184.216.34", 443),
        ] {
            assert_eq!(admit(rules, host, port, PUBLIC).await, Ok(1), "{rules:?} {host}:{port}");
        }
        for (rules, host, port) in [
            ([].as_slice(), "packages.example", 443),
            (&["packages.example"], "evil-packages.example", 443),
            (&["packages.example"], "packages.example.evil.com", 443),
            (&["packages.example"], "static.packages.example", 443),
            (&["*.packages.example"], "packages.example", 443),
            (&["*.packages.example"], "xpackages.example", 443),
            (&["packages.example"], "packages.example", 22),
            (&["mirror.dev:8081"], "mirror.dev", 443),
            (&["packages.example"], "93.184.216.34", 443),
            (&["*.packages.example"], "127.0.0.1", 443),
        ] {
            let refused = admit(rules, host, port, PUBLIC).await;
            assert!(
                matches!(refused, Err(Refused::NotListed(_))),
                "{rules:?} {host}:{port}: {refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_turns_inward_is_refused() {
        let inside: &[&'static [&'static str]] = &[
            &["127.0.0.1"],
            &["10.1.2.3"],
            &["172.16.0.1"],
            &["192.168.1.1"],
            &["169.254.169.254"],
            &["100.64.0.1"],
            &["0.0.0.0"],
            &["::1"],
            &["::"],
            &["fe80::1"],
            &["fd00::1"],
            &["::ffff:127.0.0.1"],
            &["64:ff9b::a00:1"],
            &["2002:7f00:1::"],
            &["::127.0.0.1"],
            &["224.0.0.1"],
            &["93.184.216.34", "127.0.0.1"],
        ];
        for leads_to in inside {
            let refused = admit(&["*.packages.example"], "static.packages.example", 443, leads_to).await;
            assert_eq!(
                refused,
                Err(Refused::Inside("static.packages.example:443".into())),
                "{leads_to:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_inside_host_listed_by_itself_passes() {
        assert_eq!(
            admit(&["mirror.internal:8081"], "mirror.internal", 8081, &["10.0.0.7"]).await,
            Ok(1)
        );
        assert_eq!(admit(&["127.0.0.1:4000"], "127.0.0.1", 4000, &[]).await, Ok(1));
        assert_eq!(
            admit(&["*.internal", "10.0.0.7"], "git.internal", 443, &["10.0.0.7"]).await,
            Ok(1)
        );
        // Cloud metadata never hides behind a name.
        assert!(
            admit(&["mirror.internal"], "mirror.internal", 443, &["169.254.169.254"])
                .await
                .is_err()
        );
        assert_eq!(admit(&["169.254.169.254"], "169.254.169.254", 80, &[]).await, Ok(1));
    }

    #[tokio::test]
    async fn a_name_that_leads_nowhere_says_so() {
        assert_eq!(
            admit(&["x.io"], "x.io", 443, &[]).await,
            Err(Refused::Unresolved("x.io".into()))
        );
    }

    #[test]
    fn rules_are_read_strictly() {
        for bad in [
            "", "*", "*.", "*x.io", "a..b", "a b", "a/b", "x:port", "http://x", "*.x.*",
        ] {
            assert!(BuildEgress::parse([bad]).is_err(), "{bad:?}");
        }
        let egress = BuildEgress::parse(["X.io", "*.y.io:81", "[::1]:82", "::1"]).expect("rules");
        assert_eq!(egress.to_string(), "x.io, *.y.io:81, ::1:82, ::1");
    }
}
