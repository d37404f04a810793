//! Who there is at the fake server: the real auth, in memory, asked by whoever holds a token.

use std::sync::Arc;

use async_trait::async_trait;
use micro_auth::{AuthConfig, LocalNamespaces, NoDirectory, Parts, RefreshKey};
use micro_clock::SystemClock;
use micro_error::Error;
use micro_limits::MemoryLimiter;
use micro_proto::auth::{
    Accounts, Auth, ChangeSecretRequest, ChangeSecretResponse, CreateRequest, CreateResponse, DeleteAccountRequest,
    DeleteAccountResponse, DeleteRequest, DeleteResponse, GenerateRequest, GenerateResponse, ListAccountsRequest,
    ListAccountsResponse, ListRequest, ListResponse, Rules,
};
use micro_storage::memory::MemoryRecords;
use micro_tenancy::{
    Authority, Caller, Revocations, Verifier,
    tokens::{KeyRing, SigningKey, Tokens},
};

use crate::{fake::known, kept::ada};

/// Accounts and rules, asked as the one account whose tokens the fake server gives out.
#[derive(Clone)]
pub struct People {
    auth: micro_auth::App,
    ada: Caller,
}

impl People {
    /// Nobody but her.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
        let authority = Authority::for_boot();
        let keys = KeyRing::new(&SigningKey::generate(), []);
        let tokens = Arc::new(Tokens::new(keys, "test", "main", false));
        let revocations = Arc::<Revocations>::default();
        let parts = Parts {
            records: Arc::new(MemoryRecords::default()),
            clock: Arc::new(SystemClock),
            authority: authority.clone(),
            tokens: tokens.clone(),
            revocations: revocations.clone(),
            verifier: Arc::new(Verifier::new(tokens, revocations)),
            limiter: Arc::new(MemoryLimiter::default()),
            directory: Arc::new(NoDirectory),
            namespaces: Arc::new(LocalNamespaces),
        };
        Self {
            auth: micro_auth::App::new(parts, AuthConfig::platform(vec![RefreshKey::new([7; 32])])),
            ada: ada(&authority),
        }
    }

    pub async fn generate(&self, caller: &Caller, request: GenerateRequest) -> Result<GenerateResponse, Error> {
        Auth::generate(&self.auth, self.who(caller)?, request).await
    }

    fn who(&self, caller: &Caller) -> Result<&Caller, Error> {
        known(caller).map(|()| &self.ada)
    }
}

#[async_trait]
impl Accounts for People {
    async fn list(&self, caller: &Caller, request: ListAccountsRequest) -> Result<ListAccountsResponse, Error> {
        Accounts::list(&self.auth, self.who(caller)?, request).await
    }

    async fn delete(&self, caller: &Caller, request: DeleteAccountRequest) -> Result<DeleteAccountResponse, Error> {
        Accounts::delete(&self.auth, self.who(caller)?, request).await
    }

    async fn change_secret(
        &self,
        caller: &Caller,
        request: ChangeSecretRequest,
    ) -> Result<ChangeSecretResponse, Error> {
        Accounts::change_secret(&self.auth, self.who(caller)?, request).await
    }
}

#[async_trait]
impl Rules for People {
    async fn create(&self, caller: &Caller, request: CreateRequest) -> Result<CreateResponse, Error> {
        Rules::create(&self.auth, self.who(caller)?, request).await
    }

    async fn delete(&self, caller: &Caller, request: DeleteRequest) -> Result<DeleteResponse, Error> {
        Rules::delete(&self.auth, self.who(caller)?, request).await
    }

    async fn list(&self, caller: &Caller, request: ListRequest) -> Result<ListResponse, Error> {
        Rules::list(&self.auth, self.who(caller)?, request).await
    }
}
