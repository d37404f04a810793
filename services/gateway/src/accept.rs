//! One current-thread runtime per core, each with its own listeners: accept, sniff, serve, drain.

use std::{
    io,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use micro_limits::{Exceeded, InFlight, Permit};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::{self, Handle},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    bounds,
    door::Door,
    edge::{Edge, EdgeCore},
    held::Looks,
    prefixed::{Prefixed, Protocol},
};

/// After an accept fails for want of file descriptors, others need a moment to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a connection came from.
pub struct Peer {
    pub door: Arc<Door>,
    pub address: IpAddr,
    /// Another replica passed a call on for that address.
    pub passed_on: bool,
}

impl Peer {
    /// Where a caller is, for the core, which counts failed logins by it. Sandboxes all have the same addresses:
    /// behind an instance's door it is the namespace.
    pub fn remote(&self) -> String {
        match &*self.door {
            Door::Proxy | Door::Api => self.address.to_string(),
            Door::Instance(principal) => format!("namespace:{}", principal.namespace.id),
        }
    }

    /// Whom anonymous calls are counted for: one subscriber has all addresses of a network.
    pub fn counted(&self) -> String {
        match (&*self.door, self.address) {
            (Door::Proxy | Door::Api, IpAddr::V6(v6)) => format!("{:x?}", &v6.segments()[..4]),
            _ => self.remote(),
        }
    }
}

/// Who has how many connections to a public door.
#[derive(Clone, Default)]
struct Crowd(InFlight<String>);

impl Crowd {
    /// A place for one more connection. An address inside our own networks may be a load balancer's, and stand for
    /// everybody.
    fn enter(&self, peer: &Peer) -> Result<Option<Permit<String>>, Exceeded> {
        let public = matches!(*peer.door, Door::Proxy | Door::Api) && !is_inside(peer.address);
        let place = public.then(|| self.0.enter(peer.counted(), bounds::CONNECTIONS_PER_ADDRESS));
        place.transpose()
    }
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

pub struct Cores {
    cores: Vec<Core>,
    next: AtomicUsize,
    tls: Option<TlsAcceptor>,
    crowd: Crowd,
    /// No new connections; those that are open finish what they do.
    closing: CancellationToken,
    /// Everything ends.
    ending: CancellationToken,
    connections: TaskTracker,
}

struct Core {
    edge: Arc<EdgeCore>,
    runtime: Handle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Cores {
    pub fn start(edge: &Arc<Edge>, tls: Option<Arc<rustls::ServerConfig>>, count: usize) -> io::Result<Self> {
        let ending = CancellationToken::new();
        let core = |at: usize| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let (handle, ended) = (runtime.handle().clone(), ending.clone());
            let thread = thread::Builder::new()
                .name(format!("edge-{at}"))
                .spawn(move || runtime.block_on(ended.cancelled()))?;
            let looks = Looks::default();
            handle.spawn(looks.clone().strike());
            let edge = Arc::new(EdgeCore {
                edge: edge.clone(),
                core: at,
                looks,
            });
            Ok(Core {
                edge,
                runtime: handle,
                thread: Mutex::new(Some(thread)),
            })
        };
        Ok(Self {
            cores: (0..count).map(core).collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
            tls: tls.map(TlsAcceptor::from),
            crowd: Crowd::default(),
            closing: CancellationToken::new(),
            ending,
            connections: TaskTracker::new(),
        })
    }

    /// Serves a public door's listener on its core.
    pub fn accept(&self, core: usize, listener: std::net::TcpListener, door: Arc<Door>) -> io::Result<()> {
        let accepting = Accepting {
            door,
            closing: self.closing.clone(),
            tls: self.tls.clone(),
            crowd: self.crowd.clone(),
            room: Arc::new(Semaphore::new(bounds::MAX_CONNECTIONS)),
        };
        self.spawn(core, listener, accepting)
    }

    /// Serves an instance's door on the next core, until the guard is dropped.
    pub fn open(&self, listener: std::net::TcpListener, door: Arc<Door>) -> io::Result<DropGuard> {
        let core = self.next.fetch_add(1, Ordering::Relaxed) % self.cores.len();
        let closing = self.closing.child_token();
        let room = self.cores[core].edge.edge.limits().connections.max;
        let room = usize::try_from(room)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(room));
        self.spawn(
            core,
            listener,
            Accepting {
                door,
                closing: closing.clone(),
                tls: None,
                crowd: self.crowd.clone(),
                room,
            },
        )?;
        Ok(closing.drop_guard())
    }

    fn spawn(&self, core: usize, listener: std::net::TcpListener, accepting: Accepting) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let Core { edge, runtime, .. } = &self.cores[core];
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(accepting.run(listener, edge.clone(), self.connections.clone()));
        Ok(())
    }

    pub async fn stop(&self, deadline: Duration) -> bool {
        self.closing.cancel();
        self.connections.close();
        let finished = tokio::time::timeout(deadline, self.connections.wait()).await.is_ok();
        self.ending.cancel();
        let threads = self
            .cores
            .iter()
            .filter_map(|c| c.thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads: Vec<_> = threads.collect();
        // An edge core never blocks for long: its thread ends as soon as it sees the token.
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|t| t.join().is_ok())).await;
        finished && joined.unwrap_or(false)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.closing.cancel();
        self.ending.cancel();
    }
}

struct Accepting {
    door: Arc<Door>,
    closing: CancellationToken,
    tls: Option<TlsAcceptor>,
    crowd: Crowd,
    room: Arc<Semaphore>,
}

impl Accepting {
    async fn run(self, listener: TcpListener, edge: Arc<EdgeCore>, connections: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (tcp, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(door = self.door.name(), %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(room) = self.room.clone().try_acquire_owned() else {
                tracing::warn!(
                    door = self.door.name(),
                    "the door is full: a connection was turned away"
                );
                continue;
            };
            let peer = Arc::new(Peer {
                door: self.door.clone(),
                address: from.ip().to_canonical(),
                passed_on: false,
            });
            let Ok(place) = self.crowd.enter(&peer) else {
                tracing::debug!(door = self.door.name(), "a caller has all the connections it may have");
                continue;
            };
            let serving = serve(tcp, peer, edge.clone(), self.tls.clone(), self.closing.clone());
            connections.spawn(async move {
                serving.await;
                drop((room, place));
            });
        }
    }
}

async fn serve(
    tcp: TcpStream,
    peer: Arc<Peer>,
    edge: Arc<EdgeCore>,
    tls: Option<TlsAcceptor>,
    closing: CancellationToken,
) {
    // Only a socket that is gone already refuses it.
    let _gone = tcp.set_nodelay(true);
    match tls {
        None => speak(tcp, peer, edge, closing).await,
        Some(tls) => {
            if let Ok(Ok(tls)) = tokio::time::timeout(bounds::HELLO_TIMEOUT, tls.accept(tcp)).await {
                speak(tls, peer, edge, closing).await;
            }
        }
    }
}

async fn speak<T>(io: T, peer: Arc<Peer>, edge: Arc<EdgeCore>, closing: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hello = tokio::select! {
        () = closing.cancelled() => return,
        hello = tokio::time::timeout(bounds::HELLO_TIMEOUT, Prefixed::sniff(io)) => hello,
    };
    let Ok(Ok((io, protocol))) = hello else { return };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (edge, peer) = (edge.clone(), peer.clone());
        // Boxed: hyper moves it about several times, and it is long.
        Box::pin(async move { Ok::<_, std::convert::Infallible>(edge.handle(&peer, request).await) })
    });
    match protocol {
        Protocol::Http1 => {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(bounds::HEAD_TIMEOUT)
                .max_buf_size(bounds::MAX_HEAD_BYTES)
                .max_headers(bounds::MAX_HEADERS);
            until_closed(http.serve_connection(TokioIo::new(io), service), closing).await;
        }
        Protocol::Http2 => {
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_header_list_size(bounds::MAX_HEADER_BYTES)
                .max_concurrent_streams(bounds::MAX_STREAMS)
                .max_pending_accept_reset_streams(bounds::MAX_PENDING_RESETS)
                .keep_alive_interval(bounds::PING_EVERY)
                .keep_alive_timeout(bounds::PING_TIMEOUT);
            until_closed(http.serve_connection(TokioIo::new(io), service), closing).await;
        }
    }
}

/// Serves a connection; once the door closes, until what is in flight on it has finished.
async fn until_closed<C: GracefulConnection>(connection: C, closing: CancellationToken) {
    let mut connection = pin!(connection);
    // How a connection ends is the peer's affair: requests on it were answered, or are gone with it.
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer {
            door: Arc::new(Door::Api),
            address: address.parse::<IpAddr>().expect("valid").to_canonical(),
            passed_on: false,
        }
    }

    #[test]
    fn nobody_alone_fills_a_door() {
        let crowd = Crowd::default();
        let most = bounds::CONNECTIONS_PER_ADDRESS.max;
        let mut held: Vec<_> = (0..most)
            .map(|n| crowd.enter(&peer(&format!("2001:db8:1:2::{n:x}"))).expect("room"))
            .collect();
        assert!(crowd.enter(&peer("2001:db8:1:2:9::9")).is_err(), "the same subscriber");
        assert!(
            crowd.enter(&peer("192.0.2.1")).expect("room").is_some(),
            "somebody else"
        );
        held.pop();
        assert!(crowd.enter(&peer("2001:db8:1:2:9::9")).is_ok(), "room again");
        for balancer in [
            "127.0.0.1",
            "10.0.0.7",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.7",
        ] {
            assert!(
                crowd.enter(&peer(balancer)).expect("not counted").is_none(),
                "{balancer}"
            );
        }
    }

    #[test]
    fn all_addresses_of_one_subscriber_count_together() {
        let counted = |address: &str| peer(address).counted();
        assert_eq!(counted("2001:db8:1:2::7"), counted("2001:db8:1:2:ffff::9"));
        assert_ne!(counted("2001:db8:1:2::7"), counted("2001:db8:1:3::7"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }
}
