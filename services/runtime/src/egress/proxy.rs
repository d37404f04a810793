//! The proxy itself: CONNECT, and plain requests in absolute form, over HTTP/1. Bounded in connections, bytes and time.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::{BuildEgress, Refused, Resolve};

const CONNECTIONS: usize = 64;
const HEAD_BYTES: usize = 16 << 10;
const HEAD_TIME: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Told of each refusal, for the log of the build that tried.
pub type Report = Arc<dyn Fn(&Refused) + Send + Sync>;

/// One sandbox's way out.
#[derive(Clone)]
pub struct Door {
    /// What may be reached.
    pub egress: Arc<BuildEgress>,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// The most bytes that may pass, both ways together.
    pub bytes: u64,
    /// Where refusals go.
    pub report: Report,
}

/// Serves `listener` until this future is dropped.
pub async fn serve(listener: TcpListener, door: Door) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let left = Arc::new(AtomicU64::new(door.bytes));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let (inside, _) = listener.accept().await?;
        let (door, left) = (door.clone(), left.clone());
        connections.spawn(async move {
            if let Err(e) = pass(inside, &door, &left).await {
                tracing::debug!(error = %e, "an egress connection ended");
            }
            drop(place);
        });
    }
}

async fn pass(mut inside: TcpStream, door: &Door, left: &AtomicU64) -> io::Result<()> {
    let head = match timeout(HEAD_TIME, read_head(&mut inside)).await {
        Ok(Ok(head)) => head,
        Ok(Err(e)) => return Err(e),
        Err(_) => return answer(&mut inside, "408 Request Timeout", "no request came").await,
    };
    let Some(asked) = Asked::parse(&head.bytes[..head.end]) else {
        return answer(
            &mut inside,
            "400 Bad Request",
            "this proxy takes CONNECT and absolute http:// requests",
        )
        .await;
    };
    let addresses = match door.egress.admit(&asked.host, asked.port, &*door.resolver).await {
        Ok(addresses) => addresses,
        Err(refused) => {
            (door.report)(&refused);
            return answer(&mut inside, "403 Forbidden", &refused.to_string()).await;
        }
    };
    let mut outside = match dial(&addresses).await {
        Ok(outside) => outside,
        Err(_) => return answer(&mut inside, "502 Bad Gateway", "no connection to that host").await,
    };
    match asked.forward {
        None => inside.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(head) => outside.write_all(&head).await?,
    }
    outside.write_all(&head.bytes[head.end..]).await?;
    let (mut from_inside, mut to_inside) = inside.split();
    let (mut from_outside, mut to_outside) = outside.split();
    tokio::try_join!(
        copy(&mut from_inside, &mut to_outside, left),
        copy(&mut from_outside, &mut to_inside, left)
    )?;
    Ok(())
}

struct Head {
    bytes: Vec<u8>,
    /// Behind the empty line.
    end: usize,
}

async fn read_head(from: &mut TcpStream) -> io::Result<Head> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Head { bytes, end: at + 4 });
        }
        if bytes.len() > HEAD_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the request's head is too large",
            ));
        }
        if from.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// The head to send on, for a plain request; none for CONNECT.
    forward: Option<Vec<u8>>,
}

impl Asked {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
            return None;
        }
        if method == "CONNECT" {
            let (host, port) = target.rsplit_once(':')?;
            return Some(Self {
                host: host.to_owned(),
                port: port.parse().ok()?,
                forward: None,
            });
        }
        let url = url::Url::parse(target)
            .ok()
            .filter(|url| url.scheme() == "http" && url.username().is_empty())?;
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        // One request a connection: what follows must not reach another host unchecked.
        let mut forward = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        for line in lines {
            let (name, _) = line.split_once(':')?;
            let ours = [
                "host",
                "connection",
                "proxy-connection",
                "proxy-authorization",
                "keep-alive",
                "upgrade",
            ];
            if !ours.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                forward.push_str(line);
                forward.push_str("\r\n");
            }
        }
        forward.push_str("\r\n");
        Some(Self {
            host,
            port,
            forward: Some(forward.into_bytes()),
        })
    }
}

async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses.iter().take(4) {
        match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = e,
            Err(e) => last = e.into(),
        }
    }
    Err(last)
}

async fn answer(to: &mut TcpStream, status: &str, text: &str) -> io::Result<()> {
    let length = text.len() + 1;
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    to.write_all(format!("{head}{text}\n").as_bytes()).await?;
    to.shutdown().await
}

/// Copies until the end of one side, taking each byte from what is left for all.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    left: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(read as u64)
        });
        if taken.is_err() {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the build's traffic limit is reached",
            ));
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::egress::SystemResolver;

    /// A proxy with these rules, what it refused, and an echo behind it that answers the head it got.
    async fn proxy(rules: &[&str], bytes: u64) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let seen = refusals.clone();
        let door = Door {
            egress: Arc::new(BuildEgress::parse(rules.iter().copied()).expect("rules")),
            resolver: Arc::new(SystemResolver),
            bytes,
            report: Arc::new(move |refused| seen.lock().expect("unbroken").push(refused.to_string())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(serve(listener, door));
        (address, refusals)
    }

    async fn origin() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = peer.read(&mut head).await.unwrap_or(0);
                let _ = peer.write_all(&head[..read]).await;
            }
        });
        address
    }

    async fn say(proxy: SocketAddr, text: &str) -> String {
        let mut peer = TcpStream::connect(proxy).await.expect("connected");
        peer.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        peer.read_to_string(&mut answer)
            .await
            .map(|_| answer)
            .unwrap_or_default()
    }

    #[tokio::test]
    async fn a_listed_host_is_reached_both_ways() {
        let origin = origin().await;
        let (proxy, refusals) = proxy(&[&origin.to_string()], 1 << 20).await;
        let tunnel = say(
            proxy,
            &format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\nhello"),
        )
        .await;
        assert_eq!(tunnel, "HTTP/1.1 200 Connection established\r\n\r\nhello");
        let plain = say(
            proxy,
            &format!("GET http://{origin}/a?b HTTP/1.1\r\nHost: evil\r\nProxy-Authorization: x\r\nA: b\r\n\r\n"),
        )
        .await;
        assert_eq!(
            plain,
            format!("GET /a?b HTTP/1.1\r\nhost: {origin}\r\nconnection: close\r\nA: b\r\n\r\n")
        );
        assert!(refusals.lock().expect("unbroken").is_empty());
    }

    #[tokio::test]
    async fn others_are_refused_and_reported() {
        let origin = origin().await;
        let (proxy, refusals) = proxy(&["example.com"], 1 << 20).await;
        let answer = say(proxy, &format!("CONNECT {origin} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let words = format!("{origin} is not among the hosts that builds may reach");
        assert_eq!(*refusals.lock().expect("unbroken"), [words]);
        for nonsense in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET https://example.com/ HTTP/1.1\r\n\r\n",
            "x\r\n\r\n",
            "CONNECT y HTTP/1.1\r\n\r\n",
        ] {
            assert!(say(proxy, nonsense).await.starts_with("HTTP/1.1 400 "), "{nonsense:?}");
        }
    }

    #[tokio::test]
    async fn traffic_is_bounded() {
        let origin = origin().await;
        let (proxy, _) = proxy(&[&origin.to_string()], 8).await;
        let mut peer = TcpStream::connect(proxy).await.expect("connected");
        peer.write_all(format!("CONNECT {origin} HTTP/1.1\r\n\r\n").as_bytes())
            .await
            .expect("sent");
        let mut established = [0; 39];
        peer.read_exact(&mut established).await.expect("through");
        peer.write_all(b"more than eight bytes").await.expect("sent");
        let mut answer = Vec::new();
        let _ = peer.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "nothing came back past the limit");
    }
}
