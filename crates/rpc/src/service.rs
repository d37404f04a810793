//! The two faces of a generated trait: what answers calls, and what makes them.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::Caller;

use crate::{Codec, MethodDescriptor, MethodKind, Payload, ServiceDescriptor, Status};

/// One call on its way to a handler.
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// The last part of the path: `Token`.
    pub method: String,
    /// How its messages are written.
    pub codec: Codec,
    /// Its messages.
    pub payload: Payload,
}

/// Answers the calls of one proto service: a generated `…Server`.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// What it offers.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Answers one call.
    async fn call(&self, call: Call) -> Result<Payload, Status>;

    /// Whether a call, whose one message is here, is over sooner than it could be handed to another thread: it computes
    /// next to nothing, keeps no thread waiting, and nothing is left half done where its caller leaves. A door makes it
    /// where it arrived.
    fn is_short(&self, _call: &Call) -> bool {
        false
    }
}

/// One call on its way out.
pub struct Outgoing {
    /// `/auth.Auth/Token`
    pub path: String,
    /// How its messages are written.
    pub codec: Codec,
    /// Who streams: a unary call has a default time-out, and its answer is one message.
    pub kind: MethodKind,
    /// Its messages.
    pub payload: Payload,
}

/// Carries calls to where a service is: the network, or a service of this process.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Makes one call. The answer to a unary or client-stream call is [`Payload::One`].
    async fn call(&self, caller: &Caller, call: Outgoing) -> Result<Payload, Error>;
}

#[async_trait]
impl<C: Channel + ?Sized> Channel for std::sync::Arc<C> {
    async fn call(&self, caller: &Caller, call: Outgoing) -> Result<Payload, Error> {
        (**self).call(caller, call).await
    }
}

impl Outgoing {
    /// A call of a known method.
    pub fn of(method: &'static MethodDescriptor, codec: Codec, payload: Payload) -> Self {
        Self {
            path: method.path.to_owned(),
            codec,
            kind: method.kind,
            payload,
        }
    }
}

/// A method path, taken apart: `/v1.users.Users/Read` is service `v1.users`, handler `Users`, method `Read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'p> {
    /// Who is meant: the registry name, empty in `/Users/Read`.
    pub service: &'p str,
    /// Which of its handlers.
    pub handler: &'p str,
    /// Which method.
    pub method: &'p str,
}

impl<'p> Path<'p> {
    /// Takes a path apart, if it has the form of one (reference/micro-wire §1.2).
    pub fn parse(path: &'p str) -> Option<Self> {
        let (first, method) = path.strip_prefix('/')?.split_once('/')?;
        // What a service could read as something else than the rules did is nobody's name.
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'%' | b'\\' | b'?' | b'#' | b';');
        if first.is_empty() || method.is_empty() || method.contains('/') || !path.bytes().all(plain) {
            return None;
        }
        let (service, handler) = first.rsplit_once('.').unwrap_or(("", first));
        Some(Self {
            service,
            handler,
            method,
        })
    }

    /// `Users.Read`: the endpoint that rules and errors name.
    pub fn endpoint(&self) -> String {
        format!("{}.{}", self.handler, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_all_before_the_last_dot() {
        let path = |text| Path::parse(text).map(|p| (p.service, p.handler, p.method));
        assert_eq!(path("/auth.Auth/Token"), Some(("auth", "Auth", "Token")));
        assert_eq!(path("/v1.users.Users/Read"), Some(("v1.users", "Users", "Read")));
        assert_eq!(path("/Auth/Token"), Some(("", "Auth", "Token")));
        for bad in [
            "",
            "/",
            "auth.Auth/Token",
            "/auth.Auth",
            "/auth.Auth/",
            "//Token",
            "/a/b/c",
            "/greeter.Greeter/%48ello",
            "/greeter.Greeter/Hello;x=1",
            "/greeter.Greeter/Hel lo",
            "/greeter.Greeter/Héllo",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
