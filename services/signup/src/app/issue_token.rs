//! A login for an account whose owner was just proven.

use micro_domain::Namespace;
use micro_error::Error;
use micro_proto::{auth, signup as wire};

use super::{Result, Signup};
use crate::SignupError;

#[derive(Debug, thiserror::Error)]
#[error("auth answered without a token")]
struct NoToken;

impl Signup {
    pub(crate) async fn issue_token(
        &self,
        namespace: &Namespace,
        account: &str,
        end_others: bool,
    ) -> Result<wire::AuthToken> {
        let request = auth::StartSessionRequest {
            account: account.to_owned(),
            end_others,
            ..Default::default()
        };
        let started = self.ports().sessions.start(&self.caller_in(namespace), request).await?;
        let token = started
            .token
            .ok_or_else(|| SignupError::Elsewhere(Error::internal(NoToken)))?;
        Ok(wire::AuthToken {
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            created: token.created,
            expiry: token.expiry,
        })
    }
}
