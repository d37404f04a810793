//! `signup.Pages`: internal, for the web door.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::signup::{
    FinishPageRequest, MailLinkRequest, MailLinkResponse, Page, Pages, ReadLinkRequest, StartPageRequest,
    StartPageResponse,
};
use micro_tenancy::Caller;

use crate::Signup;

#[async_trait]
impl Pages for Signup {
    async fn read_link(&self, caller: &Caller, request: ReadLinkRequest) -> Result<Page, Error> {
        caller.require_system()?;
        Ok(Signup::read_link(self, &request.link).await?)
    }

    async fn start_checkout(&self, caller: &Caller, request: StartPageRequest) -> Result<StartPageResponse, Error> {
        caller.require_system()?;
        Ok(StartPageResponse {
            url: Signup::start_checkout(self, &request.link).await?,
        })
    }

    async fn finish_checkout(&self, caller: &Caller, request: FinishPageRequest) -> Result<Page, Error> {
        caller.require_system()?;
        Ok(Signup::finish_checkout(self, &request.link, &request.session).await?)
    }

    async fn mail_link(&self, caller: &Caller, request: MailLinkRequest) -> Result<MailLinkResponse, Error> {
        caller.require_system()?;
        Signup::mail_link(self, &super::email(&request.email)?).await?;
        Ok(MailLinkResponse {})
    }
}
