//! What of a call's headers a service sees (reference/micro-wire §1.3), and what of its messages: every byte.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_proto::registry;
use micro_rpc::Codec;
use micro_wire::{
    fake::{ANSWERED_BY, Asked, Fake},
    vectors::{Exchange, Message, Side},
};

use crate::world::{Door, LIST, like_a_command, with};

pub const CALL: &str = "/helloworld.Helloworld/Call";

/// The server, and a service at its door.
pub struct World {
    pub door: Door,
    node: Fake,
}

impl World {
    pub async fn open() -> Result<Self> {
        let node = Fake::start()?;
        let door = Door::open().await?;
        let service = registry::Service {
            name: "helloworld".into(),
            version: "latest".into(),
            nodes: vec![registry::Node {
                id: "helloworld-1".into(),
                address: node.address.to_string(),
                ..Default::default()
            }],
            ..Default::default()
        };
        door.tell::<registry::EmptyResponse>("/registry.Registry/Register", &service)
            .await?;
        Ok(Self { door, node })
    }

    /// Calls it with that message, which it answers with the other.
    pub async fn call(&self, mut exchange: Exchange, message: Bytes, answer: Bytes) -> Result<(Bytes, Asked)> {
        self.plays(&mut exchange, answer);
        let reply = self.door.ask(&exchange, vec![message]).await?;
        ensure!(reply.status.is_none(), "{:?}", reply.status);
        let answer = reply.messages.first().context("an answer")?.clone();
        Ok((answer, self.asked()?))
    }

    /// From now on it answers with that.
    pub fn plays(&self, exchange: &mut Exchange, answer: Bytes) {
        exchange.messages = vec![Message {
            from: Side::Server,
            bytes: answer,
        }];
        (exchange.grpc_code, exchange.grpc_message) = (0, None);
        self.node.play(std::slice::from_ref(exchange));
    }

    fn asked(&self) -> Result<Asked> {
        self.node.asked().pop().context("the service was asked")
    }
}

#[tokio::test]
async fn a_service_sees_the_callers_headers_and_none_of_its_credentials() -> Result<()> {
    let world = World::open().await?;
    let mut exchange = like_a_command(CALL);
    for (name, value) in [
        ("foo-bar", "baz"),
        ("micro-trace-id", "t-1"),
        ("micro-span-id", "s-1"),
        ("micro-from-service", "weather"),
        ("x-content-type", "application/json"),
        ("cookie", "micro-token=secret"),
        ("timeout", "5000000000"),
    ] {
        exchange = with(exchange, name, value);
    }
    exchange.headers.insert("many".into(), vec!["a".into(), "b".into()]);
    let (_, asked) = world.call(exchange, Bytes::new(), Bytes::new()).await?;
    let seen = |name: &str| {
        let values = asked.headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values.collect::<Vec<_>>().join(", ")
    };
    for (name, value) in [
        ("foo-bar", "baz"),
        ("many", "a, b"),
        ("micro-trace-id", "t-1"),
        ("micro-span-id", "s-1"),
        ("micro-from-service", "weather"),
        ("micro-namespace", "micro"),
        ("content-type", "application/grpc+proto"),
        ("cookie", ""),
    ] {
        ensure!(seen(name) == value, "{name}: {:?}, not {value:?}", seen(name));
    }
    let left: u64 = seen("timeout").parse().context("nanoseconds")?;
    ensure!((1..=5_000_000_000).contains(&left), "{left}");
    let token = seen("authorization");
    ensure!(token.starts_with("Bearer "), "whose call it is");
    let own = world.door.session.token().context("logged in")?;
    ensure!(!token.contains(own), "and not with the caller's own token");
    Ok(())
}

#[tokio::test]
async fn a_service_sees_every_byte_of_a_message_and_its_caller_of_the_answer() -> Result<()> {
    let world = World::open().await?;
    // No message of anybody's: a field that nobody knows, and JSON with its own spaces and order.
    for (codec, message, answer) in [
        (Codec::Proto, &b"\xfa\x3f\x03abc"[..], &b"\xf8\x3f\x01"[..]),
        (Codec::Json, &br#"{ "b":1, "a" : 100 }"#[..], &br#"{"msg":"100%"}"#[..]),
    ] {
        let exchange = with(like_a_command(CALL), "content-type", codec.content_type());
        let (heard, asked) = world.call(exchange, message.into(), answer.into()).await?;
        ensure!(
            asked.messages == [message] && heard == answer,
            "{codec:?}: {asked:?} {heard:?}"
        );
        ensure!(asked.codec == codec && asked.path == CALL, "{asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_sees_the_headers_of_the_services_answer() -> Result<()> {
    let world = World::open().await?;
    let mut exchange = like_a_command(CALL);
    world.plays(&mut exchange, Bytes::new());
    let reply = world.door.ask(&exchange, vec![Bytes::new()]).await?;
    ensure!(
        reply.head.get(ANSWERED_BY).is_some_and(|v| v == "fake"),
        "{:?}",
        reply.head
    );
    Ok(())
}

/// A server forgets what it does not know, as upstream's handlers do.
#[tokio::test]
async fn a_core_message_may_have_fields_of_later_versions() -> Result<()> {
    let door = Door::open().await?;
    let reply = door
        .ask(&like_a_command(LIST), vec![Bytes::from_static(b"\xfa\x3f\x03abc")])
        .await?;
    ensure!(reply.status.is_none(), "{:?}", reply.status);
    Ok(())
}

#[tokio::test]
async fn the_sooner_of_two_deadlines_counts_and_one_that_is_none_is_ignored() -> Result<()> {
    let door = Door::open().await?;
    let watch = || like_a_command("/registry.Registry/Watch");
    for (timeout, grpc) in [("20000000", "1H"), ("3600000000000", "20m")] {
        let exchange = with(with(watch(), "timeout", timeout), "grpc-timeout", grpc);
        let late = door.refusal(&exchange, "").await?;
        ensure!(late.0 == 408 && late.2 == "context deadline exceeded", "{late:?}");
    }
    let exchange = with(like_a_command(LIST), "timeout", "soon");
    let reply = door.ask(&exchange, vec![Bytes::new()]).await?;
    ensure!(reply.status.is_none(), "{:?}", reply.status);
    Ok(())
}

/// `Bearer ` has that case; names of headers have none in HTTP/2 but the lower one, which clients see to.
#[tokio::test]
async fn a_token_stands_behind_bearer_in_that_case() -> Result<()> {
    let door = Door::open().await?;
    let token = door.session.token().context("logged in")?.to_owned();
    for scheme in ["bearer ", "BEARER ", "Bearer", ""] {
        let exchange = with(like_a_command(LIST), "authorization", &format!("{scheme}{token}"));
        let refused = door.refusal(&exchange, "").await?;
        let words = "invalid authorization header. expected Bearer schema";
        ensure!(
            refused == (401, "registry".into(), words.into()),
            "{scheme:?}: {refused:?}"
        );
    }
    Ok(())
}
