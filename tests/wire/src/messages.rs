//! Every message of every generated package, so that one test can read and write them all.

use bytes::Bytes;
use micro_rpc::{Codec, Message, MessageDescriptor, MethodDescriptor, Status};
use serde_json::Value;

use crate::vectors::Side;

/// One generated message type.
pub struct Type {
    /// What it says of itself.
    pub descriptor: &'static MessageDescriptor,
    recode: fn(Codec, Codec, Bytes) -> Result<Bytes, Status>,
}

impl Type {
    /// Reads in one codec, writes in another.
    pub fn recode(&self, from: Codec, to: Codec, bytes: Bytes) -> Result<Bytes, Status> {
        (self.recode)(from, to, bytes)
    }

    /// A message as JSON, to be looked into.
    pub fn value(&self, codec: Codec, bytes: Bytes) -> Result<Value, Status> {
        let json = self.recode(codec, Codec::Json, bytes)?;
        Ok(serde_json::from_slice(&json).expect("what was just written as JSON"))
    }
}

/// All of them.
pub fn all() -> Vec<Type> {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"))
}

/// The type of a message that one side sends in a call of `path`, if the call is one of ours.
pub fn sent(path: &str, side: Side) -> Option<Type> {
    let method = method(path)?;
    let wanted = match side {
        Side::Client => method.request,
        Side::Server => method.response,
    };
    all().into_iter().find(|t| t.descriptor.name == wanted.name)
}

/// Our method of that path. Debug is on every service.
pub fn method(path: &str) -> Option<&'static MethodDescriptor> {
    let asked = micro_rpc::Path::parse(path)?;
    let package = if asked.handler == "Debug" {
        "debug"
    } else {
        asked.service
    };
    let service = micro_proto::services().find(|s| s.package == package && s.name == asked.handler)?;
    service.method(asked.method)
}

fn of<M: Message>() -> Type {
    Type {
        descriptor: M::DESCRIPTOR,
        recode: |from, to, bytes| Ok(to.encode(&from.decode::<M>(bytes)?)),
    }
}
