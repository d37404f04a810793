//! Namespaces and whose they are.

use micro_domain::{NamespaceId, NamespaceName, OperatorId};
use micro_error::Error;
use micro_proto::{namespaces, operators};

use super::{OperatorsService, row};
use crate::OperatorsError;

/// More addresses than any namespace has.
const EVERYBODY: u32 = 200;

impl OperatorsService {
    /// A page of namespaces.
    pub(crate) async fn list_namespaces(
        &self,
        operator: OperatorId,
        request: operators::ListNamespacesRequest,
    ) -> Result<operators::ListNamespacesResponse, Error> {
        self.record(operator, "namespaces.list", "").await?;
        let request = namespaces::ListRequest {
            limit: request.limit,
            cursor: request.cursor,
        };
        let page = self.ports.namespaces.list(&self.system(), request).await?;
        Ok(operators::ListNamespacesResponse {
            namespaces: page.namespaces.into_iter().map(row).collect(),
            next_cursor: page.next_cursor,
        })
    }

    /// One namespace, by name or id, with the customers it belongs to.
    pub(crate) async fn show_namespace(
        &self,
        operator: OperatorId,
        request: operators::ShowNamespaceRequest,
    ) -> Result<operators::ShowNamespaceResponse, Error> {
        let asked = match (
            request.namespace.parse::<NamespaceId>(),
            NamespaceName::parse(request.namespace),
        ) {
            (Ok(id), _) => namespaces::GetRequest {
                id: id.to_string(),
                name: String::new(),
            },
            (_, Ok(name)) => namespaces::GetRequest {
                id: String::new(),
                name: name.into(),
            },
            _ => return Err(OperatorsError::Malformed("the namespace: a name or an id").into()),
        };
        self.record(
            operator,
            "namespaces.show",
            if asked.id.is_empty() { &asked.name } else { &asked.id },
        )
        .await?;
        let found = self.ports.namespaces.get(&self.system(), asked).await?.namespace;
        let namespace = found.ok_or(OperatorsError::NotFound("namespace"))?;
        let request = namespaces::ListIdentitiesRequest {
            limit: EVERYBODY,
            namespace_id: namespace.id.clone(),
            ..Default::default()
        };
        let mut customers = Vec::new();
        for identity in self.ports.identities.list(&self.system(), request).await?.identities {
            customers.push(self.customer(identity).await?);
        }
        Ok(operators::ShowNamespaceResponse {
            namespace: Some(row(namespace)),
            customers,
        })
    }
}
