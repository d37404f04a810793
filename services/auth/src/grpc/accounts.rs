//! `auth.Accounts`: list, delete, change a secret.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::auth::{
    Accounts, ChangeSecretRequest, ChangeSecretResponse, DeleteAccountRequest, DeleteAccountResponse,
    ListAccountsRequest, ListAccountsResponse,
};
use micro_tenancy::Caller;

use super::{account, named};
use crate::App;

#[async_trait]
impl Accounts for App {
    async fn list(&self, caller: &Caller, request: ListAccountsRequest) -> Result<ListAccountsResponse, Error> {
        let id = "auth.Accounts.List";
        let tenant = caller
            .enter_as_admin(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        let accounts = self
            .list_accounts(&tenant, self.parts.clock.now())
            .await
            .map_err(|e| e.at(id))?;
        Ok(ListAccountsResponse {
            accounts: accounts.iter().map(|a| account(a, tenant.namespace())).collect(),
        })
    }

    async fn delete(&self, caller: &Caller, request: DeleteAccountRequest) -> Result<DeleteAccountResponse, Error> {
        let id = "auth.Accounts.Delete";
        let tenant = caller
            .enter_as_admin(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        let now = self.parts.clock.now();
        self.delete_account(caller, &tenant, &request.id, now)
            .await
            .map_err(|e| e.at(id))?;
        Ok(DeleteAccountResponse {})
    }

    async fn change_secret(
        &self,
        caller: &Caller,
        request: ChangeSecretRequest,
    ) -> Result<ChangeSecretResponse, Error> {
        let id = "auth.Accounts.ChangeSecret";
        let tenant = caller
            .enter(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        let secrets = (request.old_secret.as_str(), request.new_secret.as_str());
        let now = self.parts.clock.now();
        self.change_secret(caller, &tenant, &request.id, secrets, now)
            .await
            .map_err(|e| e.at(id))?;
        Ok(ChangeSecretResponse {})
    }
}
