//! What generated clients call: one function per kind of rpc.

use micro_error::Error;
use micro_tenancy::Caller;

use crate::{Channel, Codec, Message, MethodDescriptor, Outgoing, Payload, Streaming};

/// Between our own processes messages travel as proto.
const CODEC: Codec = Codec::Proto;

/// One message there, one back.
pub async fn unary<Q: Message, R: Message>(
    channel: &impl Channel,
    caller: &Caller,
    method: &'static MethodDescriptor,
    request: &Q,
) -> Result<R, Error> {
    let call = Outgoing::of(method, CODEC, Payload::one(CODEC, request));
    Ok(channel.call(caller, call).await?.first(CODEC).await?)
}

/// One message there, many back.
pub async fn server_stream<Q: Message, R: Message>(
    channel: &impl Channel,
    caller: &Caller,
    method: &'static MethodDescriptor,
    request: &Q,
) -> Result<Streaming<R>, Error> {
    let call = Outgoing::of(method, CODEC, Payload::one(CODEC, request));
    Ok(channel.call(caller, call).await?.typed(CODEC))
}

/// Many messages there, one back.
pub async fn client_stream<Q: Message, R: Message>(
    channel: &impl Channel,
    caller: &Caller,
    method: &'static MethodDescriptor,
    requests: Streaming<Q>,
) -> Result<R, Error> {
    let call = Outgoing::of(method, CODEC, Payload::many(CODEC, requests));
    Ok(channel.call(caller, call).await?.first(CODEC).await?)
}

/// Many messages both ways.
pub async fn bidi<Q: Message, R: Message>(
    channel: &impl Channel,
    caller: &Caller,
    method: &'static MethodDescriptor,
    requests: Streaming<Q>,
) -> Result<Streaming<R>, Error> {
    let call = Outgoing::of(method, CODEC, Payload::many(CODEC, requests));
    Ok(channel.call(caller, call).await?.typed(CODEC))
}
