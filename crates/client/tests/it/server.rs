//! A server on a port of its own, with handlers that show what reached them.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use futures::StreamExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_client::{Client, Endpoint};
use micro_error::{Error, Kind};
use micro_proto::store::{self, BlobStore, BlobStoreServer, Store, StoreServer};
use micro_rpc::{
    Call, MethodDescriptor, MethodKind, Payload, Service, ServiceDescriptor, Status, Streaming, server::Router,
};
use micro_tenancy::Caller;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};

pub struct Server {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp));
            }
        });
        Self { address, accepting }
    }

    pub fn client(&self) -> Client {
        Client::new(Endpoint::parse(&self.address.to_string()).expect("an address"))
    }
}

pub async fn serve(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let router = Router::default()
        .with(Arc::new(StoreServer::new(Arc::new(Handler))))
        .with(Arc::new(BlobStoreServer::new(Arc::new(Handler))))
        .with(Arc::new(Echo));
    let answer = service_fn(move |request| {
        let router = router.clone();
        async move { Ok::<_, std::convert::Infallible>(router.answer(Caller::anonymous(), request).await) }
    });
    // A client that goes away is no failure of the server.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(io), answer)
        .await;
}

pub struct Handler;

fn record(key: &str, value: impl Into<Vec<u8>>) -> store::Record {
    store::Record {
        key: key.to_owned(),
        value: value.into(),
        expiry: 7,
        ..Default::default()
    }
}

#[async_trait]
impl Store for Handler {
    async fn read(&self, caller: &Caller, request: store::ReadRequest) -> Result<store::ReadResponse, Error> {
        match request.key.as_str() {
            "missing" => Err(Error::new(Kind::NotFound, "store.Store.Read", "100% not found")),
            "broken" => Err(Error::internal(std::io::Error::other("password=hunter2"))),
            "panic" => panic!("the handler's own secret"),
            "never" => std::future::pending().await,
            "metadata" => {
                let all: Vec<_> = caller.metadata().iter().map(|(k, v)| format!("{k}={v}")).collect();
                Ok(store::ReadResponse {
                    records: vec![record("metadata", all.join("\n"))],
                })
            }
            key => Ok(store::ReadResponse {
                records: vec![record(key, format!("{:?}", request.options))],
            }),
        }
    }

    async fn write(&self, _: &Caller, _: store::WriteRequest) -> Result<store::WriteResponse, Error> {
        Ok(store::WriteResponse {})
    }

    async fn delete(&self, _: &Caller, _: store::DeleteRequest) -> Result<store::DeleteResponse, Error> {
        Ok(store::DeleteResponse {})
    }

    async fn list(&self, _: &Caller, request: store::ListRequest) -> Result<Streaming<store::ListResponse>, Error> {
        let prefix = request.options.unwrap_or_default().prefix;
        let page = |n: u32| store::ListResponse {
            keys: vec![format!("{n}")],
        };
        let pages = futures::stream::iter(0..3).map(move |n| Ok(page(n)));
        Ok(match prefix.as_str() {
            "fails" => Box::pin(pages.chain(futures::stream::iter([Err(Error::new(
                Kind::Conflict,
                "store.Store.List",
                "moved",
            ))]))),
            "panics" => Box::pin(pages.map(|p| p.map(|p| if p.keys == ["2"] { panic!("in a stream") } else { p }))),
            _ => Box::pin(pages),
        })
    }

    async fn databases(&self, _: &Caller, _: store::DatabasesRequest) -> Result<store::DatabasesResponse, Error> {
        Ok(store::DatabasesResponse::default())
    }

    async fn tables(&self, _: &Caller, _: store::TablesRequest) -> Result<store::TablesResponse, Error> {
        Ok(store::TablesResponse::default())
    }
}

#[async_trait]
impl BlobStore for Handler {
    async fn read(
        &self,
        _: &Caller,
        request: store::BlobReadRequest,
    ) -> Result<Streaming<store::BlobReadResponse>, Error> {
        let size = request.key.parse().expect("a size");
        Ok(Box::pin(futures::stream::iter([Ok(store::BlobReadResponse {
            blob: vec![9; size],
        })])))
    }

    async fn write(
        &self,
        _: &Caller,
        mut chunks: Streaming<store::BlobWriteRequest>,
    ) -> Result<store::BlobWriteResponse, Error> {
        let (mut count, mut bytes) = (0, 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if chunk.key == "early" {
                return Err(Error::new(Kind::TooLarge, "store.BlobStore.Write", "enough"));
            }
            (count, bytes) = (count + 1, bytes + chunk.blob.len());
        }
        Err(Error::new(
            Kind::Conflict,
            "store.BlobStore.Write",
            format!("{count} chunks, {bytes} bytes"),
        ))
    }

    async fn delete(&self, _: &Caller, _: store::BlobDeleteRequest) -> Result<store::BlobDeleteResponse, Error> {
        Ok(store::BlobDeleteResponse {})
    }
}

/// No proto of ours streams both ways; tenants' services do.
pub struct Echo;

pub static ECHO: ServiceDescriptor = ServiceDescriptor {
    package: "echo",
    name: "Echo",
    methods: &[MethodDescriptor {
        name: "Talk",
        path: "/echo.Echo/Talk",
        id: "echo.Echo.Talk",
        kind: MethodKind::Bidi,
        request: &store::descriptor::message::RECORD,
        response: &store::descriptor::message::RECORD,
    }],
};

#[async_trait]
impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        Ok(Payload::Many(call.payload.frames()))
    }
}
