//! gRPC as Micro speaks it, on generated service traits: framing, codecs, errors, clients and servers.

pub mod mesh;
