//! Every way to fail, told apart.

use std::time::Duration;

use futures::StreamExt;
use micro_client::{Client, Endpoint};
use micro_error::{Error, Kind};
use micro_proto::store::*;
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use tokio::net::TcpListener;

use crate::server::{Server, serve};

async fn read(client: Client, key: &str) -> Result<ReadResponse, Error> {
    StoreClient::new(client)
        .read(
            &Caller::anonymous(),
            ReadRequest {
                key: key.into(),
                options: None,
            },
        )
        .await
}

#[tokio::test]
async fn a_handlers_error_arrives_as_it_was() {
    let server = Server::start().await;
    let refused = read(server.client(), "missing").await.expect_err("refused");
    assert_eq!(
        (refused.kind(), refused.id(), refused.message()),
        (Kind::NotFound, "store.Store.Read", "100% not found")
    );
}

#[tokio::test]
async fn our_own_fault_is_an_apology() {
    let server = Server::start().await;
    let client = server.client();
    for key in ["broken", "panic"] {
        let sorry = read(client.clone(), key).await.expect_err("fails");
        assert_eq!(
            (sorry.kind(), sorry.message()),
            (Kind::Internal, "Something went wrong on our side. Please try again.")
        );
    }
    read(client, "a").await.expect("the connection outlives a panic");
}

#[tokio::test]
async fn a_stream_may_fail_after_it_began() {
    let server = Server::start().await;
    for (prefix, kind, whole) in [("fails", Kind::Conflict, 3), ("panics", Kind::Internal, 2)] {
        let request = ListRequest {
            options: Some(ListOptions {
                prefix: prefix.into(),
                ..Default::default()
            }),
        };
        let pages = StoreClient::new(server.client())
            .list(&Caller::anonymous(), request)
            .await
            .expect("opens");
        let pages: Vec<_> = pages.collect().await;
        assert_eq!(pages.len(), whole + 1, "{prefix}");
        assert_eq!(pages[whole].as_ref().expect_err("the last").kind(), kind, "{prefix}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_they_said() {
    let server = Server::start().await;
    let late = read(server.client().with_timeout(Duration::from_millis(50)), "never")
        .await
        .expect_err("late");
    assert_eq!(
        (late.kind(), late.id(), late.message()),
        (Kind::Timeout, "go.micro.client", "context deadline exceeded")
    );
}

#[tokio::test]
async fn unknown_services_and_methods_are_named_as_upstream_does() {
    let server = Server::start().await;
    for (service, endpoint, told) in [
        ("store", "Store.Nope", "unknown service Store.Nope"),
        ("store", "Nope.Read", "unknown service Nope"),
        ("nope", "Store.Read", "unknown service Store"),
        ("store", "Nope", "malformed method name: \"/Nope\""),
    ] {
        let refused = server
            .client()
            .call_json(&Caller::anonymous(), service, endpoint, "{}".into())
            .await
            .expect_err("refused");
        assert_eq!((refused.id(), refused.message()), ("go.micro.client", told));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("bound");
    let refused = Client::connect(Endpoint::parse(&free.to_string()).expect("valid"))
        .await
        .expect_err("nobody listens");
    assert_eq!(
        (refused.kind(), refused.message()),
        (
            Kind::Unavailable,
            format!("connecting to {free}: connection refused").as_str()
        )
    );
}

#[tokio::test]
async fn a_lost_connection_is_dialled_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = Client::new(Endpoint::parse(&listener.local_addr().expect("bound").to_string()).expect("valid"));
    #[expect(
        clippy::async_yields_async,
        reason = "the connection is served while the client goes on"
    )]
    let accept = || async { tokio::spawn(serve(listener.accept().await.expect("dialled").0)) };

    let (first, serving) = tokio::join!(read(client.clone(), "a"), accept());
    first.expect("answers");
    serving.abort();
    serving.await.expect_err("gone");
    let (lost, _serving) = tokio::join!(
        async {
            // The loss may be noticed by the next call, never by two.
            match read(client.clone(), "b").await {
                Err(_) => read(client.clone(), "b").await,
                answered => answered,
            }
        },
        accept()
    );
    lost.expect("answers again");
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_says_so_itself() {
    let server = Server::start().await;
    let chunks: Streaming<BlobWriteRequest> = Box::pin(futures::stream::iter([Ok(BlobWriteRequest::default())]).chain(
        futures::stream::iter([Err(Error::new(Kind::Invalid, "cli", "the file vanished"))]),
    ));
    let told = BlobStoreClient::new(server.client())
        .write(&Caller::anonymous(), chunks)
        .await
        .expect_err("fails");
    assert_eq!(told.message(), "the file vanished");
}
