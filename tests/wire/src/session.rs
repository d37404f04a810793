//! Who replays: the live tokens that stand for those of the recording.

use anyhow::{Context, Result};
use bytes::Bytes;
use micro_proto::auth::{InspectRequest, TokenRequest, TokenResponse};
use micro_rpc::Codec;

use crate::{
    call::Reply,
    vectors::{Exchange, Side},
};

const TOKEN: &str = "/auth.Auth/Token";
const INSPECT: &str = "/auth.Auth/Inspect";
/// What the runtime gave a recorded service, and what an admin has here.
const ISSUED_SECRET: &str = "pw";
const ADMIN: (&str, &str) = ("admin", "micro");

/// A login.
#[derive(Clone, Debug, Default)]
pub struct Session {
    access: String,
    refresh: String,
}

impl Session {
    /// The token for the `authorization` header, if anybody is logged in.
    pub fn token(&self) -> Option<&str> {
        Some(self.access.as_str()).filter(|t| !t.is_empty())
    }

    /// The request's messages as recorded, with live tokens.
    pub fn requests(&self, exchange: &Exchange) -> Result<Vec<Bytes>> {
        let sent = exchange.sent_by(Side::Client);
        let live = |message: Bytes| match exchange.path.as_str() {
            TOKEN => {
                let mut request: TokenRequest = Codec::Proto.decode(message)?;
                if !request.refresh_token.is_empty() {
                    request.refresh_token.clone_from(&self.refresh);
                }
                if request.secret == ISSUED_SECRET {
                    (request.id, request.secret) = (ADMIN.0.into(), ADMIN.1.into());
                }
                Ok(Codec::Proto.encode(&request))
            }
            INSPECT => {
                let mut request: InspectRequest = Codec::Proto.decode(message)?;
                request.token.clone_from(&self.access);
                Ok(Codec::Proto.encode(&request))
            }
            _ => Ok(message),
        };
        sent.into_iter().map(live).collect()
    }

    /// Remembers the token that a reply holds.
    pub fn learn(&mut self, exchange: &Exchange, reply: &Reply) -> Result<()> {
        if exchange.path != TOKEN || reply.status.is_some() {
            return Ok(());
        }
        let message = reply.messages.first().context("a token")?;
        let answer: TokenResponse = Codec::Proto.decode(message.clone())?;
        let token = answer.token.context("a token")?;
        (self.access, self.refresh) = (token.access_token, token.refresh_token);
        Ok(())
    }
}
