//! Customers: an address, where it belongs, and what it pays.

use micro_domain::{Email, OperatorId};
use micro_error::Error;
use micro_proto::{namespaces, operators};

use super::OperatorsService;
use crate::OperatorsError;

impl OperatorsService {
    /// A page of customers.
    pub(crate) async fn list_customers(
        &self,
        operator: OperatorId,
        request: operators::ListCustomersRequest,
    ) -> Result<operators::ListCustomersResponse, Error> {
        self.record(operator, "customers.list", "").await?;
        let request = namespaces::ListIdentitiesRequest {
            limit: request.limit,
            cursor: request.cursor,
            namespace_id: String::new(),
        };
        let page = self.ports.identities.list(&self.system(), request).await?;
        let mut customers = Vec::with_capacity(page.identities.len());
        for identity in page.identities {
            customers.push(self.customer(identity).await?);
        }
        Ok(operators::ListCustomersResponse {
            customers,
            next_cursor: page.next_cursor,
        })
    }

    /// One customer, by address. The log gets the namespace's id, not the address.
    pub(crate) async fn show_customer(
        &self,
        operator: OperatorId,
        request: operators::ShowCustomerRequest,
    ) -> Result<operators::ShowCustomerResponse, Error> {
        let email = Email::parse(&request.email).map_err(|_| OperatorsError::Malformed("the address"))?;
        let request = namespaces::FindIdentityRequest { email: email.into() };
        let found = self
            .ports
            .identities
            .find(&self.system(), request)
            .await?
            .identities
            .into_iter()
            .next();
        let target = found
            .as_ref()
            .and_then(|i| i.namespace.as_ref())
            .map_or("unknown", |n| n.id.as_str());
        self.record(operator, "customers.show", target).await?;
        let customer = self
            .customer(found.ok_or(OperatorsError::NotFound("customer"))?)
            .await?;
        Ok(operators::ShowCustomerResponse {
            customer: Some(customer),
        })
    }
}
