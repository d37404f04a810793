//! Which larger story a request belongs to: ids that travel from call to call.

use std::collections::BTreeMap;

use uuid::Uuid;

const TRACE: &str = "micro-trace-id";
const SPAN: &str = "micro-span-id";

/// The ids of one request, or of one call that is made on its behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub id: String,
    pub span: String,
    /// The caller's span; empty where the story begins here.
    pub parent: String,
}

impl Trace {
    /// Of a request that came with this metadata.
    pub(crate) fn of(metadata: &BTreeMap<String, String>) -> Self {
        let text = |name| metadata.get(name).cloned();
        Self {
            id: text(TRACE).unwrap_or_else(|| Uuid::new_v4().to_string()),
            span: Uuid::new_v4().to_string(),
            parent: text(SPAN).unwrap_or_default(),
        }
    }

    /// Of a call made on behalf of this.
    pub(crate) fn below(&self) -> Self {
        Self {
            id: self.id.clone(),
            span: Uuid::new_v4().to_string(),
            parent: self.span.clone(),
        }
    }

    /// As a call carries it.
    pub(crate) fn headers(&self) -> [(String, String); 2] {
        [(TRACE.into(), self.id.clone()), (SPAN.into(), self.span.clone())]
    }
}
