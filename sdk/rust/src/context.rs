//! What a handler knows besides its request.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Client, Error};

/// The request's metadata, and the way to other services.
#[derive(Clone)]
pub struct Context {
    pub(crate) metadata: Arc<BTreeMap<String, String>>,
    pub(crate) client: Client,
}

impl Context {
    /// One value of the request's metadata; names are lower case.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }

    /// Calls another service of the same namespace with this service's own identity. Trace ids travel along.
    pub async fn call<A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        let passed_on = self
            .metadata
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "micro-trace-id" | "traceparent"));
        self.client.call_with(service, endpoint, request, passed_on).await
    }
}
