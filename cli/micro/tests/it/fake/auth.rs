//! Logins: one person, Ada, with one password; refresh tokens are good once.

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::auth;
use micro_tenancy::Caller;
use secrecy::ExposeSecret;

use super::{NAMESPACE, State, known, refused};

#[async_trait]
impl auth::Auth for State {
    async fn generate(&self, caller: &Caller, request: auth::GenerateRequest) -> Result<auth::GenerateResponse, Error> {
        self.people.generate(caller, request).await
    }

    async fn inspect(&self, _: &Caller, request: auth::InspectRequest) -> Result<auth::InspectResponse, Error> {
        if !request.token.starts_with("access-") {
            return refused(Kind::Invalid, "auth.Auth.Inspect", "invalid token provided");
        }
        let account = auth::Account {
            id: "ada-id".into(),
            name: "ada@example.com".into(),
            issuer: NAMESPACE.into(),
            ..Default::default()
        };
        Ok(auth::InspectResponse { account: Some(account) })
    }

    async fn token(&self, _: &Caller, request: auth::TokenRequest) -> Result<auth::TokenResponse, Error> {
        let namespace = request.options.unwrap_or_default().namespace;
        self.note(format!(
            "token id={} refresh={} ns={namespace}",
            request.id, request.refresh_token
        ));
        if !request.refresh_token.is_empty() {
            let mut good = self.refresh_tokens.lock().expect("not poisoned");
            match good.iter().position(|t| *t == request.refresh_token) {
                Some(at) => drop(good.remove(at)),
                None => return refused(Kind::Invalid, "auth.Auth.Token", "invalid token provided"),
            }
        } else if request.id != "ada@example.com" {
            return refused(Kind::Invalid, "auth.Auth.Token", "Account not found with this ID");
        } else if request.secret != "secret" {
            return refused(Kind::Invalid, "auth.Auth.Token", "Secret not correct");
        }
        Ok(auth::TokenResponse {
            token: Some(self.token()),
        })
    }
}

#[async_trait]
impl auth::Sessions for State {
    async fn start(&self, _: &Caller, _: auth::StartSessionRequest) -> Result<auth::StartSessionResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn seal(&self, _: &Caller, _: auth::SealSecretRequest) -> Result<auth::SealSecretResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn ensure(&self, _: &Caller, _: auth::EnsureAccountRequest) -> Result<auth::EnsureAccountResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn end(&self, caller: &Caller, _: auth::EndSessionRequest) -> Result<auth::EndSessionResponse, Error> {
        known(caller)?;
        self.note(format!(
            "end {}",
            caller.bearer().map(|t| t.expose_secret()).unwrap_or_default()
        ));
        Ok(auth::EndSessionResponse {})
    }
}
