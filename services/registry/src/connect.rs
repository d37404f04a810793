//! The way to a service that somebody started by hand on a local server's machine.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use async_trait::async_trait;
use micro_rpc::mesh::Connect;
use tokio::net::TcpStream;

/// A port of this machine. Whatever host a service says it is on, only the loopback is dialled.
pub struct Loopback(pub u16);

#[async_trait]
impl Connect for Loopback {
    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = match TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.0))).await {
            Ok(stream) => stream,
            Err(_) => TcpStream::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, self.0))).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
