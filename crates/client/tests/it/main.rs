//! The client against a real HTTP/2 server, over sockets: every kind of call, both codecs, every way to fail.

mod calls;
mod failures;
mod kinds;
mod server;
mod tls;
