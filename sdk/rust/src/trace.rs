//! Which larger story a request belongs to: ids that travel from call to call.

use std::collections::BTreeMap;

use uuid::Uuid;

const TRACE: &str = "micro-trace-id";
const SPAN: &str = "micro-span-id";

/// The ids of one request.
#[derive(Clone)]
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

    /// What calls made on its behalf carry.
    pub(crate) fn passed_on(&self, metadata: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let mut headers = vec![
            (TRACE.to_owned(), self.id.clone()),
            (SPAN.to_owned(), self.span.clone()),
        ];
        let others = ["traceparent", "tracestate"].into_iter();
        headers.extend(others.filter_map(|name| Some((name.to_owned(), metadata.get(name)?.clone()))));
        headers
    }
}
