//! How long a message may be, at the edge: in, out, and on to a service (reference/micro-wire §1.4).

use anyhow::{Result, ensure};
use bytes::Bytes;
use micro_domain::Limits;
use micro_proto::{auth::InspectRequest, store};
use micro_rpc::{Codec, MAX_MESSAGE_BYTES};

use crate::{
    metadata::{CALL, World},
    world::{Door, like_a_command, like_a_stream},
};

const INSPECT: &str = "/auth.Auth/Inspect";
/// What streams that clients before v3.3 opened can take.
const OLD_CLIENTS_TAKE: usize = 4 << 20;

/// A message of exactly so many bytes.
fn large(bytes: usize) -> Bytes {
    let of = |length: usize| {
        Codec::Proto.encode(&InspectRequest {
            token: "x".repeat(length),
            options: None,
        })
    };
    let head = of(bytes).len() - bytes;
    of(bytes - head)
}

#[tokio::test]
async fn a_message_to_the_core_has_sixteen_mebibytes_and_no_more() -> Result<()> {
    let door = Door::open().await?;
    let edge = large(MAX_MESSAGE_BYTES);
    ensure!(edge.len() == MAX_MESSAGE_BYTES, "{}", edge.len());
    let read = door.refusal(&like_a_command(INSPECT), edge).await?;
    ensure!(
        read == (400, "auth.Auth.Inspect".into(), "invalid token provided".into()),
        "{read:?}"
    );
    let refused = door
        .refusal(&like_a_command(INSPECT), large(MAX_MESSAGE_BYTES + 1))
        .await?;
    ensure!(refused.0 == 413 && refused.2.contains("message.bytes"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_message_to_a_service_and_its_answer_have_sixteen_mebibytes_and_no_more() -> Result<()> {
    let world = World::open().await?;
    let (edge, small) = (large(MAX_MESSAGE_BYTES), Bytes::from_static(b"\x08\x01"));
    let (answer, asked) = world.call(like_a_command(CALL), edge.clone(), edge.clone()).await?;
    ensure!(asked.messages == [edge.clone()] && answer == edge, "both pass whole");

    let beyond = large(MAX_MESSAGE_BYTES + 1);
    let refused = world.door.refusal(&like_a_command(CALL), beyond.clone()).await?;
    ensure!(refused.0 == 413 && refused.2.contains("16777216"), "{refused:?}");
    let mut exchange = like_a_command(CALL);
    world.plays(&mut exchange, beyond);
    let refused = world.door.refusal(&exchange, small).await?;
    ensure!(refused.0 == 413 && refused.2.contains("16777216"), "{refused:?}");
    Ok(())
}

/// Whatever the core sends in a stream: blobs come in parts, keys in pages, and the rest has limits of its own.
#[tokio::test]
async fn a_message_of_a_stream_fits_clients_that_take_four_mebibytes() -> Result<()> {
    let plan = Limits::DEVELOPER;
    for limit in [plan.message_bytes, plan.config_bytes, plan.registration_bytes] {
        ensure!(limit.max < OLD_CLIENTS_TAKE as u64 / 2, "{limit:?}");
    }
    let door = Door::open().await?;
    let mut writing = door.dial(&like_a_stream("/store.BlobStore/Write")).await?;
    for _ in 0..9 {
        let part = store::BlobWriteRequest {
            key: "film".into(),
            blob: vec![7; 1 << 20],
            ..Default::default()
        };
        writing.send(Codec::Proto.encode(&part)).await?;
    }
    writing.half_close();
    writing.message().await?;
    let read = store::BlobReadRequest {
        key: "film".into(),
        ..Default::default()
    };
    let reading = like_a_stream("/store.BlobStore/Read");
    let parts = door.ask(&reading, vec![Codec::Proto.encode(&read)]).await?.messages;
    ensure!(
        parts.iter().all(|part| part.len() <= OLD_CLIENTS_TAKE),
        "a part is longer"
    );
    ensure!(parts.iter().map(Bytes::len).sum::<usize>() > 9 << 20, "all of it came");
    Ok(())
}
