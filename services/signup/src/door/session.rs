//! `signup.Session`: ours, for a terminal that keeps a secret.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::signup::{
    CompleteRequest, CompleteResponse, ConfirmRequest, ConfirmResponse, Session, StartRequest, StartResponse, Status,
    WatchRequest,
};
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use secrecy::ExposeSecret;

use super::email;
use crate::{Signup, app::Confirmed};

#[async_trait]
impl Session for Signup {
    async fn start(&self, caller: &Caller, request: StartRequest) -> Result<StartResponse, Error> {
        let started = self.start_session(&email(&request.email)?, caller).await?;
        Ok(StartResponse {
            secret: started.secret.expose_secret().to_owned(),
            expires_at: started.expires_at.unix_timestamp(),
        })
    }

    async fn confirm(&self, caller: &Caller, request: ConfirmRequest) -> Result<ConfirmResponse, Error> {
        match self.confirm(&request.secret, &request.code.into(), caller).await? {
            Confirmed::Known(_, belongs) => {
                let token = self.issue_token(&belongs.namespace, &belongs.account, false).await?;
                let namespace = belongs.namespace.name.into();
                Ok(ConfirmResponse {
                    known: true,
                    token: Some(token),
                    namespace,
                    ..Default::default()
                })
            }
            Confirmed::New(attempt) if attempt.payment_required => Ok(ConfirmResponse {
                payment_required: true,
                subscribe_url: self.link_of(&attempt),
                price: self.price(),
                ..Default::default()
            }),
            Confirmed::New(_) => Ok(ConfirmResponse::default()),
        }
    }

    async fn watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<Status>, Error> {
        let attempt = self.get_by_session(&request.secret, caller).await?;
        Ok(Signup::watch(self, &attempt))
    }

    async fn complete(&self, caller: &Caller, request: CompleteRequest) -> Result<CompleteResponse, Error> {
        let attempt = self.get_by_session(&request.secret, caller).await?;
        let completed = Signup::complete(self, attempt, &request.password.into(), &request.payment_token).await?;
        Ok(CompleteResponse {
            token: Some(completed.token),
            namespace: completed.namespace.name.into(),
        })
    }
}
