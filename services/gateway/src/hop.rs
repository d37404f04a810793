//! Calls for services, where another replica runs them: passed on whole, with the caller's own token, to the same door
//! there. That replica authenticates, authorises and counts them as if they had come to it; this one trusts and
//! decides nothing, and neither passes on what was passed on already.

mod leadership;
mod mark;
mod relay;

use std::{io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, request::Parts, response};
use http_body::Body;
use http_body_util::BodyExt;
use micro_domain::{Namespace, NamespaceId, NamespaceName};
use micro_error::{Error, Kind};
use micro_rpc::{
    Deadline, Path, Status,
    mesh::{Connect, Duty, Node},
};
use tokio::{net::TcpStream, sync::Semaphore};

pub use leadership::{Leader, Leadership, Replica};
pub use mark::Marks;

use crate::{
    accept::Peer,
    bounds,
    door::Door,
    edge::EdgeCore,
    forward::{Answer, Pump, response_of},
    reply::{self, Reply},
};
use relay::{Left, Relay};

/// Core services of which only the leader can speak.
const LED: [&str; 3] = ["network", "registry", "runtime"];

/// Belong to one connection.
const NOT_PASSED_ON: [header::HeaderName; 6] = [
    header::CONNECTION,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How replicas find each other.
pub struct Hop {
    /// Who leads.
    pub leadership: Arc<Leadership>,
    /// Proof of being a replica.
    pub marks: Marks,
    /// For calls that are passed on, or wait for it: nobody was asked who they are.
    room: Arc<Semaphore>,
}

impl Hop {
    /// A server without replicas never passes a call on.
    pub fn none() -> Self {
        Self::new(Arc::new(Leadership::alone()), &[0; 32])
    }

    /// Among replicas that all have this key.
    pub fn new(leadership: Arc<Leadership>, key: &[u8; 32]) -> Self {
        Self {
            leadership,
            marks: Marks::new(key),
            room: Arc::new(Semaphore::new(bounds::PASSED_ON)),
        }
    }
}

/// What became of a call that was to be passed on.
pub enum Passed<B> {
    /// It was answered.
    Answered(Response<Reply>),
    /// It is to be answered here.
    Back(Parts, B),
}

/// Who really asks, where another replica passes a call on. Whatever else claims to be one is as anybody's.
pub fn passed_on<B>(core: &EdgeCore, peer: &Peer, request: &mut Request<B>) -> Option<Peer> {
    let ports = &core.edge.ports;
    if !ports.hop.leadership.is_shared() || !request.headers().contains_key(mark::HEADER) {
        return None;
    }
    let (path, now) = (request.uri().path().to_owned(), ports.clock.now());
    let from = ports
        .hop
        .marks
        .take(request.headers_mut(), peer.door.name(), &path, now)?;
    // Instances of tenants' services are no replicas.
    let public = matches!(*peer.door, Door::Proxy | Door::Api);
    public.then(|| Peer {
        door: peer.door.clone(),
        address: from,
        passed_on: true,
    })
}

/// Whether only the leader can answer.
fn is_led(core: &EdgeCore, path: Path<'_>) -> bool {
    match (core.edge.is_core(path.service), path.service, path.handler) {
        (false, ..) => true,
        (true, service, "Debug") if LED.contains(&service) => false,
        // What a namespace uses counts what runs and is registered.
        (true, "auth", "Usage") => true,
        (true, service, _) => LED.contains(&service),
    }
}

/// Whether a call is answered here. Asked of every request, and of most that is all.
pub fn is_here(core: &EdgeCore, peer: &Peer, path: Path<'_>) -> Result<bool, Status> {
    let leadership = &*core.edge.ports.hop.leadership;
    match &*peer.door {
        _ if !leadership.is_shared() => Ok(true),
        // It runs here, so it is answered here, as long as it may run.
        Door::Instance(_) if leadership.holds() => Ok(true),
        Door::Instance(_) => Err(unavailable("another server runs this service by now").into()),
        _ => Ok(!is_led(core, path) || leadership.leader() == Leader::Here),
    }
}

/// Answers a call where its services run, which is elsewhere; gives it back where that is here by now. Boxed: it is
/// long, and stands in the future of every request.
pub fn elsewhere<'a, B>(
    core: &'a EdgeCore,
    peer: &'a Peer,
    deadline: Deadline,
    head: Parts,
    body: B,
) -> BoxFuture<'a, Result<Passed<B>, Status>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    Box::pin(async move {
        let passing = async {
            Ok(match peer.passed_on {
                true => await_office(core, head, body).await?,
                false => find_leader(core, peer, head, body).await?,
            })
        };
        deadline.bound(passing).await
    })
}

/// A call that was passed on to here: answered here as soon as this replica has taken over, if that is what it is at.
async fn await_office<B>(core: &EdgeCore, head: Parts, body: B) -> Result<Passed<B>, Error> {
    let hop = &core.edge.ports.hop;
    if hop.leadership.holds() {
        let _room = hop.room.try_acquire().map_err(|_| full())?;
        let leader = hop.leadership.leader_but(&Leader::Nobody, bounds::LEADER_PATIENCE);
        if leader.await == Leader::Here {
            return Ok(Passed::Back(head, body));
        }
    }
    Ok(Passed::Answered(misdirected()))
}

/// Passes a call on to whoever leads; where that one cannot be reached, to whoever leads next.
async fn find_leader<B>(core: &EdgeCore, peer: &Peer, head: Parts, body: B) -> Result<Passed<B>, Error>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let hop = &core.edge.ports.hop;
    let room = hop.room.clone().try_acquire_owned().map_err(|_| full())?;
    let (mut head, mut body, mut lost) = (head, body, Leader::Nobody);
    let patience = Deadline::within(bounds::LEADER_PATIENCE);
    loop {
        let left = patience.remaining().unwrap_or_default();
        let wait = match lost {
            Leader::Nobody => left,
            // It may be back at the same place.
            _ => left.min(bounds::LEADER_RETRY),
        };
        let leader = hop.leadership.leader_but(&lost, wait).await;
        let replica = match &leader {
            Leader::Here => return Ok(Passed::Back(head, body)),
            Leader::There(replica) if !left.is_zero() => replica.clone(),
            _ if !left.is_zero() && lost != Leader::Nobody => {
                lost = Leader::Nobody;
                continue;
            }
            _ => return Err(unavailable("no server runs services at the moment")),
        };
        match pass_on(core, peer, replica, head, body).await? {
            Sent::Not(same_head, same_body) => (head, body, lost) = (same_head, same_body, leader),
            Sent::Answered(head, answer) => {
                let answer = answer.holding(room).boxed_unsync();
                return Ok(Passed::Answered(Response::from_parts(head, answer)));
            }
        }
    }
}

/// What became of one try.
enum Sent<B> {
    Answered(response::Parts, Relay<B>),
    /// That replica cannot be reached.
    Not(Parts, B),
}

async fn pass_on<B>(core: &EdgeCore, peer: &Peer, to: Arc<Replica>, head: Parts, body: B) -> Result<Sent<B>, Error>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let raw = matches!(*peer.door, Door::Api);
    let address = if raw { &to.api } else { &to.proxy };
    let node = Node {
        id: address.clone(),
        instance: None,
        connect: Arc::new(Doors(address.clone())),
    };
    let request = request(core, peer, &head)?;
    let mut pump = if raw { Pump::unmetered(body) } else { Pump::of(body) };
    let Ok(mut lease) = core.pool().lease(platform(), &node).await else {
        return Ok(Sent::Not(head, pump.into_body()));
    };
    let Ok((response, stream)) = lease.sender.send_request(request, pump.is_empty()) else {
        return Ok(Sent::Not(head, pump.into_body()));
    };
    pump.attach(stream);
    let lost = || unavailable("the connection to the server that runs services was lost");
    let mut left: Left = Box::pin(core.edge.ports.hop.leadership.clone().left_by(to));
    let response = tokio::select! {
        response = response_of(response, &mut pump) => response.map_err(Error::from)?.map_err(|_| lost())?,
        () = &mut left => return Err(lost()),
    };
    if response.status() == StatusCode::MISDIRECTED_REQUEST {
        return Err(unavailable("another server has just begun to run services"));
    }
    let (mut head, receive) = response.into_parts();
    head.version = Version::default();
    let answer = Answer::new(receive, pump, Deadline::default(), lease);
    let answer = Relay::new(answer, left, raw, &head.headers);
    Ok(Sent::Answered(head, answer))
}

fn request(core: &EdgeCore, peer: &Peer, head: &Parts) -> Result<Request<()>, Error> {
    let malformed = |_| Error::new(Kind::Invalid, "go.micro.proxy", "malformed request");
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(|a| a.as_str()).or(host).unwrap_or("micro");
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(head.uri.path_and_query().map_or("/", |p| p.as_str()));
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.build().map_err(malformed)?;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.clone_from(&head.headers);
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let ports = &core.edge.ports;
    let (door, now) = (peer.door.name(), ports.clock.now());
    let mark = ports.hop.marks.make(door, head.uri.path(), peer.address, now);
    headers.insert(mark::HEADER, mark);
    Ok(request)
}

/// What came from another replica in the belief that this one leads: nothing was done.
fn misdirected() -> Response<Reply> {
    let mut response = Response::new(reply::empty());
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response
}

fn full() -> Error {
    unavailable("too many calls are on their way to where services run")
}

fn unavailable(why: &str) -> Error {
    Error::new(Kind::Unavailable, "go.micro.client", format!("{why}: please try again"))
}

/// Connections between replicas belong to no tenant.
fn platform() -> NamespaceId {
    Namespace::of_local(NamespaceName::micro()).id
}

/// The doors of another replica.
struct Doors(String);

#[async_trait]
impl Connect for Doors {
    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(&self.0).await
    }

    fn is_remote(&self) -> bool {
        true
    }

    /// The node's id says which door it is.
    fn key(&self) -> Option<u64> {
        Some(0)
    }
}
