//! Connections of the web door: so many, and none that says nothing for long. It shares its process, and so its open
//! files, with every other door.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// Connections at once. Those beyond are turned away.
const MOST: usize = 1_000;
/// The longest that neither side may say anything.
const SILENCE: Duration = Duration::from_secs(30);

/// Accepts for the web door.
pub struct WebListener {
    tcp: TcpListener,
    room: Arc<Semaphore>,
    silence: Duration,
}

impl WebListener {
    /// Over a bound socket.
    pub fn new(tcp: TcpListener) -> Self {
        Self::within(tcp, MOST, SILENCE)
    }

    fn within(tcp: TcpListener, most: usize, silence: Duration) -> Self {
        Self {
            tcp,
            room: Arc::new(Semaphore::new(most)),
            silence,
        }
    }
}

impl Listener for WebListener {
    type Io = Patient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Patient, SocketAddr) {
        loop {
            let (tcp, from) = Listener::accept(&mut self.tcp).await;
            if let Ok(room) = self.room.clone().try_acquire_owned() {
                let patient = Patient {
                    tcp,
                    silence: self.silence,
                    until: Box::pin(sleep(self.silence)),
                    _room: room,
                };
                return (patient, from);
            }
            tracing::warn!("the web door is full: a connection was turned away");
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A connection that ends after too long a silence.
pub struct Patient {
    tcp: TcpStream,
    silence: Duration,
    until: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Patient {
    fn or_too_long<T>(&mut self, done: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.until.as_mut().reset(Instant::now() + self.silence);
            return done;
        }
        self.until
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.tcp).poll_read(cx, into);
        self.or_too_long(done, cx)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.tcp).poll_write(cx, from);
        self.or_too_long(done, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn open(most: usize, silence: Duration) -> SocketAddr {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = tcp.local_addr().expect("bound");
        let door = WebListener::within(tcp, most, silence);
        tokio::spawn(async move { axum::serve(door, axum::Router::new()).await });
        address
    }

    async fn asked(peer: &mut TcpStream) -> bool {
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        if peer.write_all(request).await.is_err() {
            return false;
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match peer.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => return false,
            }
        }
        answer.starts_with(b"HTTP/1.1 404")
    }

    #[tokio::test]
    async fn so_many_connections_are_held_and_room_comes_back() {
        let address = open(2, SILENCE).await;
        let connect = || async { TcpStream::connect(address).await.expect("connects") };
        let (mut first, mut second) = (connect().await, connect().await);
        assert!(asked(&mut first).await && asked(&mut second).await);
        assert!(!asked(&mut connect().await).await, "turned away");
        drop(first);
        while !asked(&mut connect().await).await {
            tokio::task::yield_now().await;
        }
        assert!(asked(&mut second).await, "who was there stays");
    }

    #[tokio::test]
    async fn the_silent_are_sent_away() {
        let address = open(2, Duration::from_millis(100)).await;
        for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nhost:"] {
            let mut peer = TcpStream::connect(address).await.expect("connects");
            peer.write_all(begun).await.expect("sent");
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "{begun:?}");
        }
    }
}
