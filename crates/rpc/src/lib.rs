//! gRPC as Micro speaks it, on generated service traits: framing, codecs, errors, clients and servers.
//!
//! A generated trait (`micro_proto::auth::Auth`) has two faces: its `AuthServer` is a [`Service`], its
//! `AuthClient` speaks over any [`Channel`]. Both carry [`Payload`]s: messages without their framing.

mod body;
pub mod client;
mod codec;
mod deadline;
mod descriptor;
mod frame;
mod headers;
pub mod mesh;
mod payload;
pub mod server;
mod service;
mod status;

pub use body::{Body, OnError};
pub use codec::{Codec, Message};
pub use deadline::{Deadline, TIMEOUT_HEADER};
pub use descriptor::{
    EnumDescriptor, FieldDescriptor, FieldType, MessageDescriptor, MethodDescriptor, MethodKind, ServiceDescriptor,
};
pub use frame::{FRAME_HEADER_BYTES, MAX_MESSAGE_BYTES, Room, deframe, deframe_within, frame};
pub use headers::{MAX_METADATA_BYTES, metadata, metadata_headers, metadata_onward};
pub use payload::{Frames, Payload, Streaming};
pub use service::{Call, Channel, Outgoing, Path, Service};
pub use status::{Code, Status};
