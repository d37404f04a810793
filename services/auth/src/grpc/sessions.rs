//! `auth.Sessions`: ours. Logout for everybody; the rest for the platform's own tasks.

use async_trait::async_trait;
use micro_domain::AccountId;
use micro_error::Error;
use micro_proto::auth::{
    EndSessionRequest, EndSessionResponse, EnsureAccountRequest, EnsureAccountResponse, SealSecretRequest,
    SealSecretResponse, Sessions, StartSessionRequest, StartSessionResponse,
};
use micro_tenancy::{Caller, Tenant};

use super::{account, token};
use crate::{App, AuthError, app::Granted, passwords::Sealed, store::accounts::Account};

#[async_trait]
impl Sessions for App {
    async fn start(&self, caller: &Caller, request: StartSessionRequest) -> Result<StartSessionResponse, Error> {
        caller.require_system()?;
        let tenant = caller.enter("")?;
        let granted = self
            .start_proven(&tenant, request)
            .await
            .map_err(|e| e.at("auth.Sessions.Start"))?;
        Ok(StartSessionResponse {
            token: Some(token(&granted)),
        })
    }

    async fn end(&self, caller: &Caller, request: EndSessionRequest) -> Result<EndSessionResponse, Error> {
        let now = self.parts.clock.now();
        self.log_out(caller, &request.refresh_token, now)
            .await
            .map_err(|e| e.at("auth.Sessions.End"))?;
        Ok(EndSessionResponse {})
    }

    async fn seal(&self, caller: &Caller, request: SealSecretRequest) -> Result<SealSecretResponse, Error> {
        caller.require_system()?;
        let sealed = match request.secret.as_str() {
            "" => Err(AuthError::NewSecretBlank),
            secret => self.passwords.seal(secret).await,
        };
        Ok(SealSecretResponse {
            secret_hash: sealed.map_err(|e| e.at("auth.Sessions.Seal"))?.into_text(),
        })
    }

    async fn ensure(&self, caller: &Caller, request: EnsureAccountRequest) -> Result<EnsureAccountResponse, Error> {
        caller.require_system()?;
        let tenant = caller.enter("")?;
        let made = self
            .ensure_sealed(&tenant, request)
            .await
            .map_err(|e| e.at("auth.Sessions.Ensure"))?;
        Ok(EnsureAccountResponse {
            account: Some(account(&made, tenant.namespace())),
        })
    }
}

impl App {
    async fn start_proven(&self, tenant: &Tenant, request: StartSessionRequest) -> Result<Granted, AuthError> {
        let (now, id) = (self.parts.clock.now(), AccountId::new(request.account));
        let account = match request.new_secret.as_str() {
            "" => self.find_account(tenant, &id, now).await?,
            secret => {
                let sealed = self.passwords.seal(secret).await?;
                self.set_secret(tenant, &id, sealed, now).await?
            }
        };
        if request.end_others {
            self.end_other_sessions(tenant, &id, None, now).await?;
        }
        self.start_session(tenant, &account, self.config.token_ttl, now).await
    }

    async fn ensure_sealed(&self, tenant: &Tenant, request: EnsureAccountRequest) -> Result<Account, AuthError> {
        let EnsureAccountRequest {
            account,
            name,
            scopes,
            secret_hash,
        } = request;
        if account.is_empty() {
            return Err(AuthError::IdRequired);
        }
        let sealed = Sealed::parse(secret_hash).ok_or(AuthError::NotSealed)?;
        let name = if name.is_empty() { account.clone() } else { name };
        self.ensure_account(
            tenant,
            AccountId::new(account),
            name,
            scopes,
            sealed,
            self.parts.clock.now(),
        )
        .await
    }
}
