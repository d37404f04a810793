//! The service behind the doors: answers `greeter.Greeter/Hello` with the same message each time, in protobuf or JSON,
//! as cheaply as can be. It shares a core with the load.

use std::{
    net::{SocketAddr, TcpListener as Bound},
    thread,
};

use anyhow::Result;
use bytes::Bytes;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Response, header};
use micro_rpc::frame;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

use super::cores::stay_on;

/// Its contract, as a peer reads it.
pub const PROTO: &str = r#"
syntax = "proto3";
package greeter;
service Greeter { rpc Hello(Request) returns (Response); }
message Request { string name = 1; }
message Response { string msg = 1; }
"#;

/// Where it is called.
pub const PATH: &str = "/greeter.Greeter/Hello";

/// One text; request and answer have the same form.
#[derive(Clone, PartialEq, Message)]
pub struct Text {
    /// What is said.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// What callers say: 250 bytes or so.
pub fn request() -> Text {
    Text {
        text: "Ada ".repeat(60),
    }
}

/// What it answers.
pub fn answer() -> Text {
    Text {
        text: "Hello Ada ".repeat(25),
    }
}

/// What it answers as JSON.
pub fn answer_in_json() -> String {
    format!(r#"{{"msg":"{}"}}"#, answer().text)
}

/// Starts it on a thread of its own; it ends with this process.
pub fn start(core: usize) -> Result<SocketAddr> {
    let bound = Bound::bind("127.0.0.1:0")?;
    bound.set_nonblocking(true)?;
    let address = bound.local_addr()?;
    thread::Builder::new().name("backend".into()).spawn(move || {
        stay_on(core)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { accept(TcpListener::from_std(bound)?).await })
    })?;
    Ok(address)
}

async fn accept(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        tokio::spawn(serve(connection));
    }
}

async fn serve(connection: TcpStream) -> Result<()> {
    let mut connection = server::Builder::new()
        .max_concurrent_streams(2_000)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .handshake::<_, Bytes>(connection)
        .await?;
    let (proto, json) = (frame(&answer().encode_to_vec()), frame(answer_in_json().as_bytes()));
    while let Some(call) = connection.accept().await {
        let (request, mut respond) = call?;
        let (proto, json) = (proto.clone(), json.clone());
        tokio::spawn(async move {
            let (head, body) = request.into_parts();
            read_to_end(body).await?;
            let is_json = head
                .headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|t| t == "application/grpc+json");
            let (kind, message) = match is_json {
                true => ("application/grpc+json", json),
                false => ("application/grpc", proto),
            };
            let response = Response::builder().header(header::CONTENT_TYPE, kind).body(())?;
            let mut stream = respond.send_response(response, false)?;
            stream.send_data(message, false)?;
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            stream.send_trailers(trailers)?;
            Ok::<_, anyhow::Error>(())
        });
    }
    Ok(())
}

async fn read_to_end(mut body: RecvStream) -> Result<()> {
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(())
}
