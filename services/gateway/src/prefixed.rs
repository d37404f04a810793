//! A connection whose first bytes were read already, to see which protocol it speaks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// The connection, which gives those bytes again.
pub struct Prefixed<T> {
    io: T,
    first: [u8; PREFACE.len()],
    at: usize,
    end: usize,
}

impl<T: AsyncRead + Unpin> Prefixed<T> {
    /// Reads until the protocol is known; an error where the connection ends before.
    pub async fn sniff(io: T) -> io::Result<(Self, Protocol)> {
        let mut this = Self {
            io,
            first: [0; PREFACE.len()],
            at: 0,
            end: 0,
        };
        loop {
            let seen = &this.first[..this.end];
            if !PREFACE.starts_with(seen) {
                return Ok((this, Protocol::Http1));
            }
            if seen.len() == PREFACE.len() {
                return Ok((this, Protocol::Http2));
            }
            match this.io.read(&mut this.first[this.end..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => this.end += read,
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefixed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at < self.end {
            let count = buf.remaining().min(self.end - self.at);
            buf.put_slice(&self.first[self.at..self.at + count]);
            self.at += count;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefixed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn sniffed(sent: &[u8]) -> io::Result<(Protocol, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(4096);
        let writing = async {
            // One byte at a time: a preface may arrive in any pieces.
            for byte in sent {
                client.write_all(&[*byte]).await.expect("open");
            }
            drop(client);
        };
        let reading = async {
            let (mut io, protocol) = Prefixed::sniff(server).await?;
            let mut all = Vec::new();
            io.read_to_end(&mut all).await?;
            Ok((protocol, all))
        };
        tokio::join!(writing, reading).1
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_are_not_lost() {
        let get = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        assert_eq!(sniffed(&get).await.expect("HTTP/1"), (Protocol::Http1, get));
        let h2 = [PREFACE, &b"more"[..]].concat();
        assert_eq!(sniffed(&h2).await.expect("HTTP/2"), (Protocol::Http2, h2));
        // HTTP/1 may begin like the preface, too.
        let near = b"PRI * HTTP/1.1\r\n\r\n".to_vec();
        assert_eq!(sniffed(&near).await.expect("HTTP/1"), (Protocol::Http1, near));
        assert!(sniffed(b"PRI * HTTP").await.is_err(), "half a preface and gone");
    }
}
