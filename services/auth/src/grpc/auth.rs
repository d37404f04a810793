//! `auth.Auth`: make accounts, get tokens, ask whose a token is.

use async_trait::async_trait;
use micro_domain::{AccountId, InstanceId};
use micro_error::Error;
use micro_limits::{LimitKey, Rate};
use micro_proto::auth as wire;
use micro_proto::auth::{
    Auth, GenerateRequest, GenerateResponse, InspectRequest, InspectResponse, TokenRequest, TokenResponse,
};
use micro_rpc::mesh::Credentials;
use micro_tenancy::{AccountKind, Caller, Principal, Reach, SystemTask, Tenant, Verified};
use secrecy::ExposeSecret;
use time::Duration;

use super::{account, named, named_or_header, token};
use crate::{
    App, AuthError,
    app::{Granted, NewAccount},
};

#[async_trait]
impl Auth for App {
    async fn generate(&self, caller: &Caller, request: GenerateRequest) -> Result<GenerateResponse, Error> {
        let account = self
            .generate_account(caller, request)
            .await
            .map_err(|e| e.at("auth.Auth.Generate"))?;
        Ok(GenerateResponse { account: Some(account) })
    }

    async fn inspect(&self, caller: &Caller, request: InspectRequest) -> Result<InspectResponse, Error> {
        let read = self.parts.verifier.inspect(&request.token, self.parts.clock.now());
        match read.filter(|verified| self.may_ask(caller, verified)) {
            Some(verified) => Ok(InspectResponse {
                account: Some(principal(&verified.principal)),
            }),
            None => Err(AuthError::InvalidToken.at("auth.Auth.Inspect")),
        }
    }

    async fn token(&self, caller: &Caller, request: TokenRequest) -> Result<TokenResponse, Error> {
        let granted = self
            .grant(caller, &request)
            .await
            .map_err(|e| e.at("auth.Auth.Token"))?;
        Ok(TokenResponse {
            token: Some(token(&granted)),
        })
    }
}

impl App {
    async fn grant(&self, caller: &Caller, request: &TokenRequest) -> Result<Granted, AuthError> {
        let (now, ttl) = (self.parts.clock.now(), self.ttl(request.token_expiry));
        let TokenRequest {
            id,
            secret,
            refresh_token,
            ..
        } = request;
        if refresh_token.is_empty() && (id.is_empty() || secret.is_empty()) {
            return Err(AuthError::CredentialsRequired);
        }
        let presented = if refresh_token.is_empty() {
            secret
        } else {
            refresh_token
        };
        if is_jwt(presented) {
            return self.renew_instance(caller, presented, ttl, now).await;
        }
        if !refresh_token.is_empty() {
            return self.refresh_session(refresh_token, ttl, now).await;
        }
        self.log_in(caller, named(request.options.as_ref()), id, secret, ttl, now)
            .await
    }

    async fn generate_account(&self, caller: &Caller, request: GenerateRequest) -> Result<wire::Account, AuthError> {
        let tenant = caller.enter_as_admin(named_or_header(caller, request.options.as_ref()))?;
        if caller.system() == Some(SystemTask::Reconcile) {
            return self.generate_instance(&tenant, request).await;
        }
        let now = self.parts.clock.now();
        let key = LimitKey::rate("accounts.generate", tenant.id().uuid().as_bytes());
        self.parts
            .limiter
            .take(key, 1, Rate::of(120, Duration::MINUTE), now)
            .await?;
        let new = NewAccount {
            id: request.id,
            name: request.name,
            kind: request.r#type,
            scopes: request.scopes,
            metadata: request.metadata,
            secret: request.secret,
        };
        let (made, secret) = self.generate(&tenant, new, now).await?;
        Ok(wire::Account {
            secret: secret.expose_secret().into(),
            ..account(&made, tenant.namespace())
        })
    }

    /// The runtime's way over the wire: the account of the instance that metadata `instance` names.
    async fn generate_instance(&self, tenant: &Tenant, request: GenerateRequest) -> Result<wire::Account, AuthError> {
        let instance: Option<InstanceId> = request.metadata.get("instance").and_then(|id| id.parse().ok());
        let service = Principal {
            namespace: tenant.namespace().clone(),
            account: AccountId::new(request.id.as_str()),
            name: request.id,
            kind: AccountKind::Service,
            scopes: vec!["service".into()],
            session: None,
            instance: Some(instance.ok_or(AuthError::IdRequired)?),
            reach: Reach::Own,
        };
        let credential = self.issue(&service).await?;
        Ok(wire::Account {
            secret: credential.secret.expose_secret().into(),
            ..principal(&service)
        })
    }

    /// Whoever holds a platform token may ask about it. A token made for a service is that namespace's affair:
    /// elsewhere it means nothing. A local server's services are all one person's.
    fn may_ask(&self, caller: &Caller, verified: &Verified) -> bool {
        let Some((namespace, _)) = verified.service.as_deref().and_then(|s| s.split_once('/')) else {
            return true;
        };
        self.config.local
            || caller
                .principal()
                .is_some_and(|p| p.namespace.name.as_str() == namespace)
    }
}

fn principal(p: &Principal) -> wire::Account {
    wire::Account {
        id: p.account.to_string(),
        r#type: p.kind.as_str().into(),
        scopes: p.scopes.clone(),
        issuer: p.namespace.name.to_string(),
        name: p.name.clone(),
        ..Default::default()
    }
}

/// Three parts, the first of which is JSON: what no secret or refresh token of ours looks like.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|b| *b == b'.').count() == 2
}
