//! What a call carries, in both codecs.

use futures::StreamExt;
use micro_error::Kind;
use micro_proto::store::*;
use micro_tenancy::{Caller, Metadata};

use crate::server::Server;

async fn read_json(server: &Server, body: &'static str) -> Result<String, micro_error::Error> {
    let answer = server
        .client()
        .call_json(&Caller::anonymous(), "store", "Store.Read", body.into())
        .await?;
    Ok(String::from_utf8(answer.to_vec()).expect("JSON"))
}

#[tokio::test]
async fn json_takes_both_spellings_and_gives_the_protos() {
    let server = Server::start().await;
    let read = read_json(&server, r#"{"key":"a","options":{"limit":"3","database":"d"}}"#)
        .await
        .expect("answers");
    assert!(
        read.starts_with(r#"{"records":[{"key":"a","value":"#) && read.ends_with(r#","expiry":"7"}]}"#),
        "{read}"
    );
    for empty in ["", "null", "{}", " null "] {
        assert_eq!(
            read_json(&server, empty).await.expect("an empty message"),
            read_json(&server, r#"{"key":""}"#).await.expect("the same")
        );
    }
}

#[tokio::test]
async fn an_unknown_field_is_named_with_its_message() {
    let server = Server::start().await;
    for (body, told) in [
        (r#"{"nope":1}"#, r#"unknown field "nope" in store.ReadRequest"#),
        (
            r#"{"key":"a","options":{"limits":3}}"#,
            r#"unknown field "limits" in store.ReadOptions"#,
        ),
    ] {
        let refused = read_json(&server, body).await.expect_err("refused");
        assert_eq!(
            refused.message(),
            format!("grpc: failed to unmarshal the received message {told}")
        );
    }
    assert_eq!(
        read_json(&server, "{").await.expect_err("no JSON").kind(),
        Kind::Internal
    );
}

#[tokio::test]
async fn json_streams_too() {
    let server = Server::start().await;
    let pages = server
        .client()
        .stream_json(&Caller::anonymous(), "store", "Store.List", "{}".into())
        .await
        .expect("opens");
    let pages: Vec<_> = pages.map(|p| p.expect("a page")).collect().await;
    assert_eq!(pages, [r#"{"keys":["0"]}"#, r#"{"keys":["1"]}"#, r#"{"keys":["2"]}"#]);
}

#[tokio::test]
async fn metadata_arrives_and_the_token_is_not_among_it() {
    let server = Server::start().await;
    let metadata = Metadata::from([
        ("Micro-Namespace".into(), "ada".into()),
        ("grpc-status".into(), "9".into()),
        ("bad name".into(), "x".into()),
    ]);
    let caller = Caller::outgoing(Some("secret-token".into()), metadata);
    let read = StoreClient::new(server.client())
        .read(
            &caller,
            ReadRequest {
                key: "metadata".into(),
                options: None,
            },
        )
        .await
        .expect("answers");
    let seen = String::from_utf8(read.records[0].value.clone()).expect("text");
    assert!(
        seen.contains("micro-namespace=ada") && seen.contains("timeout=5000000000"),
        "{seen}"
    );
    assert!(!seen.contains("secret-token") && !seen.contains("bad name"), "{seen}");
}
