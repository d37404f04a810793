//! One core's connections to nodes.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{self, SendRequest},
};
use micro_domain::{InstanceId, NamespaceId};
use micro_rpc::mesh::{Connect, Node};
use tokio::time::timeout;

use crate::{
    bounds,
    traffic::{Busy, Instances, OnItsWay},
};

/// One core's connections.
pub struct Pool {
    nodes: Mutex<HashMap<Key, Arc<Connections>>>,
    instances: Arc<Instances>,
    turns: AtomicUsize,
    made: Instant,
}

/// A node is known by its namespace and way, not by its id alone: that is a word of the tenant's.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    namespace: NamespaceId,
    instance: Option<InstanceId>,
    id: String,
    way: Way,
}

#[derive(PartialEq, Eq, Hash)]
enum Way {
    /// What it says itself.
    Said(u64),
    /// Where the value is, which [`Connections`] holds: no other gets its place.
    Place(usize),
}

struct Connections {
    way: Arc<dyn Connect>,
    /// Seconds since the pool was made.
    used: AtomicU64,
    instance: Option<InstanceId>,
    busy: Option<Arc<Busy>>,
    open: Mutex<Vec<Connection>>,
    /// One dial at a time: dials in progress count, too.
    dialling: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Connection {
    sender: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
    alive: Arc<AtomicBool>,
}

/// A connection with room for one call, counted until it is dropped.
pub struct Lease {
    pub sender: SendRequest<Bytes>,
    _stream: Stream,
    _on_its_way: Option<OnItsWay>,
}

/// One call on a connection.
struct Stream(Arc<AtomicUsize>);

impl Stream {
    fn on(connection: &Connection) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self(connection.streams.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub fn new(instances: Arc<Instances>) -> Self {
        Self {
            nodes: Mutex::default(),
            instances,
            turns: AtomicUsize::new(0),
            made: Instant::now(),
        }
    }

    /// Grows by one with each call: nodes take turns.
    pub fn turn(&self) -> usize {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection to a node, ready for a call. Fails at once where the node is gone.
    pub async fn lease(&self, namespace: NamespaceId, node: &Node) -> io::Result<Lease> {
        let node = self.connections(namespace, node)?;
        let on_its_way = node.busy.as_ref().map(Busy::enter);
        for _try in 0..bounds::TRIES {
            let connection = node.connection().await?;
            let stream = Stream::on(&connection);
            match connection.sender.ready().await {
                Ok(sender) => {
                    return Ok(Lease {
                        sender,
                        _stream: stream,
                        _on_its_way: on_its_way,
                    });
                }
                // It was lost since the last call; nothing was sent on it.
                Err(_) => connection.alive.store(false, Ordering::Relaxed),
            }
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Lets go of an instance's connections: each ends when its last call does.
    pub fn close(&self, instance: InstanceId) {
        lock(&self.nodes).retain(|_, node| node.instance != Some(instance));
    }

    fn connections(&self, namespace: NamespaceId, node: &Node) -> io::Result<Arc<Connections>> {
        let place = || Way::Place(Arc::as_ptr(&node.connect).cast::<()>().addr());
        let way = node.connect.key().map_or_else(place, Way::Said);
        let now = self.made.elapsed().as_secs();
        let key = Key {
            namespace,
            instance: node.instance,
            id: node.id.clone(),
            way,
        };
        let mut nodes = lock(&self.nodes);
        if let Some(known) = nodes.get(&key) {
            known.used.store(now, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let busy = match node.instance {
            Some(instance) => Some(self.instances.busy(instance).ok_or(io::ErrorKind::NotConnected)?),
            None => None,
        };
        // Nodes come and go with every start: those that nobody calls any more are let go of here.
        let oldest = now.saturating_sub(bounds::IDLE_NODE.as_secs());
        nodes.retain(|_, node| node.used.load(Ordering::Relaxed) >= oldest);
        let connections = Arc::new(Connections {
            way: node.connect.clone(),
            used: AtomicU64::new(now),
            instance: node.instance,
            busy,
            open: Mutex::default(),
            dialling: tokio::sync::Mutex::default(),
        });
        nodes.insert(key, connections.clone());
        Ok(connections)
    }
}

impl Connections {
    async fn connection(&self) -> io::Result<Connection> {
        let quietest = self.quietest();
        let _dialling = match (&quietest, self.dialling.try_lock()) {
            (Some((connection, true)), _) => return Ok(connection.clone()),
            // Somebody is dialling another one: until then this one does.
            (Some((connection, _)), Err(_)) => return Ok(connection.clone()),
            (_, Ok(dialling)) => dialling,
            (None, Err(_)) => {
                let dialling = self.dialling.lock().await;
                if let Some((connection, _)) = self.quietest() {
                    return Ok(connection);
                }
                dialling
            }
        };
        let connection = self.dial().await?;
        lock(&self.open).push(connection.clone());
        Ok(connection)
    }

    /// The connection with the fewest calls on it, and whether it should take another.
    fn quietest(&self) -> Option<(Connection, bool)> {
        let mut open = lock(&self.open);
        open.retain(Connection::is_alive);
        let full = open.len() >= bounds::CONNECTIONS_PER_NODE;
        let (streams, quietest) = open
            .iter()
            .map(|c| (c.streams.load(Ordering::Relaxed), c))
            .min_by_key(|(streams, _)| *streams)?;
        Some((quietest.clone(), full || streams < bounds::STREAMS_PER_CONNECTION))
    }

    async fn dial(&self) -> io::Result<Connection> {
        let dial = async {
            let tcp = self.way.connect().await?;
            tcp.set_nodelay(true)?;
            let handshake = client::Builder::new()
                .initial_window_size(bounds::NODE_STREAM_WINDOW)
                .initial_connection_window_size(bounds::NODE_CONNECTION_WINDOW)
                .max_header_list_size(bounds::MAX_HEADER_BYTES)
                .enable_push(false)
                .handshake(tcp);
            handshake.await.map_err(io::Error::other)
        };
        let (sender, mut connection) = timeout(bounds::DIAL_TIMEOUT, dial)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let alive = Arc::new(AtomicBool::new(true));
        let (ended, open) = (alive.clone(), self.busy.as_ref().map(Busy::enter));
        let pings = connection.ping_pong().filter(|_| self.way.is_remote());
        tokio::spawn(async move {
            // Each call on it learns by itself how it ended.
            tokio::select! {
                _how = connection => {}
                () = silent(pings) => {}
            }
            ended.store(false, Ordering::Relaxed);
            drop(open);
        });
        Ok(Connection {
            sender,
            streams: Arc::default(),
            alive,
        })
    }
}

impl Connection {
    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }
}

/// Returns once the other end does not answer any more; never where it is not asked.
async fn silent(pings: Option<PingPong>) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(bounds::PING_REMOTE_EVERY).await;
        let answered = timeout(bounds::PING_REMOTE_TIMEOUT, pings.ping(Ping::opaque())).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
