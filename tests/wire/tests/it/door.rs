//! The gRPC ingress as Micro's clients know it: paths, codecs, headers, sizes (reference/micro-wire §1).

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_proto::auth::TokenRequest;
use micro_rpc::Codec;
use micro_wire::{
    messages,
    vectors::{self, Exchange, Side},
};

use crate::world::{Door, LIST, json, like_a_command, with};

const TOKEN: &str = "/auth.Auth/Token";
const INSPECT: &str = "/auth.Auth/Inspect";
/// Calls that change nothing, so that they can be made twice.
const READS: [&str; 8] = [
    INSPECT,
    LIST,
    "/registry.Registry/GetService",
    "/auth.Accounts/List",
    "/auth.Rules/List",
    "/config.Config/Get",
    "/runtime.Runtime/Read",
    "/store.Store/Read",
];

#[tokio::test]
async fn what_is_answered_in_protobuf_is_answered_in_json() -> Result<()> {
    let door = Door::open().await?;
    let recorded = vectors::commands().into_iter().flat_map(|c| c.exchanges);
    let reads = recorded.filter(|e| READS.contains(&e.path.as_str()) && e.codec() == Codec::Proto);
    let mut answered = 0;
    for exchange in reads {
        let request = door.session.requests(&exchange)?.remove(0);
        let (asked, said) = (
            messages::sent(&exchange.path, Side::Client),
            messages::sent(&exchange.path, Side::Server),
        );
        let (asked, said) = (asked.context("ours")?, said.context("ours")?);
        let twin = with(exchange.clone(), "content-type", Codec::Json.content_type());
        let in_json = asked.recode(Codec::Proto, Codec::Json, request.clone())?;
        let (a, b) = (
            door.ask(&exchange, vec![request]).await?,
            door.ask(&twin, vec![in_json]).await?,
        );
        match (a.messages.first(), b.messages.first()) {
            (Some(a), Some(b)) => {
                let (a, b) = (
                    said.value(Codec::Proto, a.clone())?,
                    said.value(Codec::Json, b.clone())?,
                );
                ensure!(a == b, "{}: {a} {b}", exchange.path);
                answered += 1;
            }
            _ => ensure!(
                a.status.map(|s| s.to_string()) == b.status.map(|s| s.to_string()),
                "{}",
                exchange.path
            ),
        }
    }
    ensure!(answered > 15, "only {answered} calls were answered");
    Ok(())
}

#[tokio::test]
async fn paths_and_content_types_are_those_of_the_reference() -> Result<()> {
    let door = Door::open().await?;
    let refused = async |exchange: Exchange| door.refusal(&exchange, "").await;
    let malformed = refused(like_a_command("/Token")).await?;
    ensure!(malformed.2.contains("malformed method name"), "{malformed:?}");
    let blank = refused(like_a_command("/Auth/Token")).await?;
    ensure!(
        blank == (400, "go.micro.proxy".into(), "service name is blank".into()),
        "{blank:?}"
    );
    let method = refused(like_a_command("/auth.Auth/Nope")).await?;
    ensure!(
        method == (12, String::new(), "unknown service Auth.Nope".into()),
        "{method:?}"
    );
    let handler = refused(like_a_command("/auth.Nope/Nope")).await?;
    ensure!(
        handler.0 == 12 && handler.2.starts_with("unknown service Nope"),
        "{handler:?}"
    );
    let miss = refused(like_a_command("/no.such.Thing/Do")).await?;
    ensure!(
        miss == (500, "go.micro.client".into(), "service no.such: route not found".into()),
        "{miss:?}"
    );

    let bare = with(like_a_command(LIST), "content-type", "application/grpc");
    ensure!(
        door.ask(&bare, vec![Bytes::new()]).await?.status.is_none(),
        "it means protobuf"
    );
    let strange = refused(with(like_a_command(LIST), "content-type", "application/grpc+yaml")).await?;
    let words = "Unsupported Content-Type: application/grpc+yaml";
    ensure!(strange == (500, "registry".into(), words.into()), "{strange:?}");
    Ok(())
}

#[tokio::test]
async fn headers_are_those_of_the_reference() -> Result<()> {
    let door = Door::open().await?;
    let refused = async |authorization: &str| {
        let exchange = with(like_a_command(LIST), "authorization", authorization);
        door.refusal(&exchange, "").await
    };
    let basic = refused("Basic abc").await?;
    let words = "invalid authorization header. expected Bearer schema";
    ensure!(basic == (401, "registry".into(), words.into()), "{basic:?}");
    let forged = refused("Bearer abc").await?;
    let words = "An account is required";
    ensure!(
        forged == (401, "registry.Registry.ListServices".into(), words.into()),
        "{forged:?}"
    );

    for namespace in ["micro", "somebody-elses", ""] {
        let exchange = with(like_a_command(LIST), "micro-namespace", namespace);
        let reply = door.ask(&exchange, vec![Bytes::new()]).await?;
        ensure!(
            reply.status.is_none(),
            "core is core in {namespace:?}: {:?}",
            reply.status
        );
    }
    let mut without = like_a_command(LIST);
    without.headers.remove("micro-namespace");
    ensure!(
        door.ask(&without, vec![Bytes::new()]).await?.status.is_none(),
        "the account's own"
    );

    // Nanoseconds. A watch would never end by itself.
    let hurried = with(like_a_command("/registry.Registry/Watch"), "timeout", "20000000");
    let late = door.refusal(&hurried, "").await?;
    ensure!(late.0 == 408 && late.2 == "context deadline exceeded", "{late:?}");
    Ok(())
}

#[tokio::test]
async fn json_requests_are_read_as_the_reference_says() -> Result<()> {
    let door = Door::open().await?;
    for nothing in ["", "null", "{}"] {
        let reply = door.ask(&json(LIST), vec![Bytes::from(nothing)]).await?;
        ensure!(reply.status.is_none(), "{nothing:?}: {:?}", reply.status);
    }
    let unknown = door.refusal(&json(LIST), r#"{"nope":5}"#).await?;
    let words = r#"grpc: failed to unmarshal the received message unknown field "nope" in registry.ListRequest"#;
    ensure!(unknown == (13, String::new(), words.into()), "{unknown:?}");
    for unreadable in ["{", r#"{"options":5}"#] {
        let refused = door.refusal(&json(LIST), unreadable).await?;
        let prefix = "grpc: failed to unmarshal the received message ";
        ensure!(refused.0 == 13 && refused.2.starts_with(prefix), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn logins_fail_in_the_recorded_words_in_both_codecs() -> Result<()> {
    let door = Door::open().await?;
    let request = |id: &str, secret: &str| TokenRequest {
        id: id.into(),
        secret: secret.into(),
        ..Default::default()
    };
    for (request, words) in [
        (request("admin", "wrong"), "Secret not correct"),
        (request("nobody", "x"), "Account not found with this ID"),
        (TokenRequest::default(), "Credentials or a refresh token required"),
    ] {
        for codec in [Codec::Proto, Codec::Json] {
            let exchange = with(like_a_command(TOKEN), "content-type", codec.content_type());
            let refused = door.refusal(&exchange, codec.encode(&request)).await?;
            ensure!(refused == (400, "auth.Auth.Token".into(), words.into()), "{refused:?}");
        }
    }
    Ok(())
}
