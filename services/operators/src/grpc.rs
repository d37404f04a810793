//! The doors: who asks and with which role, the call, its answer.

use async_trait::async_trait;
use futures::StreamExt;
use micro_error::Error;
use micro_proto::operators::{
    Customers, Jobs, ListCustomersRequest, ListCustomersResponse, ListJobsRequest, ListJobsResponse,
    ListNamespacesRequest, ListNamespacesResponse, LoginRequest, LoginResponse, Namespaces, Operators, RetryJobRequest,
    RetryJobResponse, RotateSecretsProgress, RotateSecretsRequest, Secrets, ShowCustomerRequest, ShowCustomerResponse,
    ShowNamespaceRequest, ShowNamespaceResponse,
};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, OperatorRole};
use secrecy::ExposeSecret;

use crate::OperatorsService;

#[async_trait]
impl Operators for OperatorsService {
    async fn login(&self, _: &Caller, request: LoginRequest) -> Result<LoginResponse, Error> {
        let login = self.log_in(&request.secret.into()).await?;
        Ok(LoginResponse {
            token: login.token.expose_secret().to_owned(),
            expires_at: login.expires_at.unix_timestamp(),
            role: login.operator.role_word().to_owned(),
            operator: login.operator.name,
        })
    }
}

#[async_trait]
impl Customers for OperatorsService {
    async fn list(&self, caller: &Caller, request: ListCustomersRequest) -> Result<ListCustomersResponse, Error> {
        self.list_customers(caller.require_operator(OperatorRole::Viewer)?, request)
            .await
    }

    async fn show(&self, caller: &Caller, request: ShowCustomerRequest) -> Result<ShowCustomerResponse, Error> {
        self.show_customer(caller.require_operator(OperatorRole::Viewer)?, request)
            .await
    }
}

#[async_trait]
impl Namespaces for OperatorsService {
    async fn list(&self, caller: &Caller, request: ListNamespacesRequest) -> Result<ListNamespacesResponse, Error> {
        self.list_namespaces(caller.require_operator(OperatorRole::Viewer)?, request)
            .await
    }

    async fn show(&self, caller: &Caller, request: ShowNamespaceRequest) -> Result<ShowNamespaceResponse, Error> {
        self.show_namespace(caller.require_operator(OperatorRole::Viewer)?, request)
            .await
    }
}

#[async_trait]
impl Jobs for OperatorsService {
    async fn list(&self, caller: &Caller, request: ListJobsRequest) -> Result<ListJobsResponse, Error> {
        Ok(self
            .list_jobs(caller.require_operator(OperatorRole::Viewer)?, request)
            .await?)
    }

    async fn retry(&self, caller: &Caller, request: RetryJobRequest) -> Result<RetryJobResponse, Error> {
        self.retry_job(
            caller.require_operator(OperatorRole::Support)?,
            &request.id,
            &request.reason,
        )
        .await?;
        Ok(RetryJobResponse {})
    }
}

#[async_trait]
impl Secrets for OperatorsService {
    async fn rotate(
        &self,
        caller: &Caller,
        request: RotateSecretsRequest,
    ) -> Result<Streaming<RotateSecretsProgress>, Error> {
        let operator = caller.require_operator(OperatorRole::Admin)?;
        let progress = self.rotate_secrets(operator, &request.reason, request.cursor).await?;
        Ok(progress.boxed())
    }
}
