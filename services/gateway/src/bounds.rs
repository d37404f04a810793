//! Every bound of the doors that is not a namespace's own limit, by name: one table.

use std::time::Duration;

use micro_domain::Limit;

/// The longest that a silent connection may take to say which protocol it speaks, TLS included.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that an HTTP/1 request's head may take.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an HTTP/2 request's headers: room for a token and metadata.
pub const MAX_HEADER_BYTES: u32 = 16 << 10;

/// The most bytes of an HTTP/1 request's head.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// The most headers of an HTTP/1 request.
pub const MAX_HEADERS: usize = 100;

/// The most streams that one HTTP/2 connection may have open.
pub const MAX_STREAMS: u32 = 1_000;

/// The most streams that a client may open and reset before they were looked at, before it is sent away.
pub const MAX_PENDING_RESETS: usize = 100;

/// How often a quiet HTTP/2 connection is asked whether it lives, and how long it may take to answer.
pub const PING_EVERY: Duration = Duration::from_secs(30);

/// See [`PING_EVERY`].
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The most connections that one public door holds, on each core.
pub const MAX_CONNECTIONS: usize = 20_000;

/// The most connections of one caller to one public door: nobody alone fills it.
pub const CONNECTIONS_PER_ADDRESS: Limit = Limit {
    name: "connections.per_address",
    max: 1_000,
};

/// Calls of core services without an account, a second and address: signing up, logging in, asking who a token is.
pub const ANONYMOUS_PER_SECOND: u32 = 500;

/// Such calls at once, and an address.
pub const ANONYMOUS_IN_FLIGHT: Limit = Limit {
    name: "anonymous.in_flight",
    max: 1_000,
};

/// The longest message of such a call.
pub const ANONYMOUS_BYTES: Limit = Limit {
    name: "anonymous.bytes",
    max: 64 << 10,
};

/// One address without an account takes at most this part of the limits of a namespace whose services it calls: half.
pub const ADDRESSES_SHARE: u64 = 2;

/// Namespaces without a token, a second and address, that have to be looked for.
pub const LOOKED_FOR_PER_SECOND: u32 = 100;

/// Messages longer than this are gathered only so many at once for a namespace: a sender takes its time.
pub const LONG_BYTES: usize = 256 << 10;

/// See [`LONG_BYTES`].
pub const LONG_IN_FLIGHT: Limit = Limit {
    name: "messages.long_in_flight",
    max: 32,
};

/// Answers of that length are on their way only so many at once to the callers of a namespace: a reader takes its
/// time, too.
pub const LONG_ANSWERS: Limit = Limit {
    name: "answers.long_in_flight",
    max: 64,
};

/// How often what goes on for long is looked at again: with the time that news of a revocation takes from another
/// replica, within 5 seconds.
pub const LOOK_AGAIN: Duration = Duration::from_millis(2_500);

/// How long the HTTP API waits for an answer unless the caller says otherwise (reference/micro-wire §1.4).
pub const API_TIMEOUT: Duration = Duration::from_secs(5);

/// Connecting to a node.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams in flight on one connection to a node, above which another is opened.
pub const STREAMS_PER_CONNECTION: usize = 100;

/// The most connections from one core to one node.
pub const CONNECTIONS_PER_NODE: usize = 8;

/// Connections to a node that nobody called for so long are let go of (reference/micro-wire §1.4).
pub const IDLE_NODE: Duration = Duration::from_secs(60);

/// What one slow reader may leave unread, and all of one connection's together.
pub const NODE_STREAM_WINDOW: u32 = 256 << 10;

/// See [`NODE_STREAM_WINDOW`].
pub const NODE_CONNECTION_WINDOW: u32 = 16 << 20;

/// A request body of at most so many bytes that arrives in one piece can be sent again, to another node, if
/// the first is known not to have looked at it.
pub const REPLAY_BYTES: usize = 16 << 10;

/// How often a call is tried in all, where each failure is known not to have reached a handler.
pub const TRIES: usize = 3;

/// How many callers' exchanged tokens are remembered.
pub const EXCHANGED_TOKENS: usize = 50_000;

/// How long the answer to "which namespace has this name" is remembered: changes are seen within 5 seconds.
pub const NAMESPACE_MEMORY: time::Duration = time::Duration::seconds(5);

/// How many such answers.
pub const NAMESPACES: usize = 10_000;

/// How long a call for a service waits where no replica runs services: one that died is replaced within that time.
pub const LEADER_PATIENCE: Duration = Duration::from_secs(10);

/// How often a connection to another replica is asked whether it lives, and how long it may take to answer.
pub const PING_REMOTE_EVERY: Duration = Duration::from_secs(2);

/// See [`PING_REMOTE_EVERY`].
pub const PING_REMOTE_TIMEOUT: Duration = Duration::from_secs(3);

/// How soon a replica that could not be reached is tried again.
pub const LEADER_RETRY: Duration = Duration::from_millis(500);

/// How long answers of a replica that leads no more are waited for.
pub const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Calls that are passed on to another replica at once.
pub const PASSED_ON: usize = 20_000;
