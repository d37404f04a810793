//! What storage can fail with.

/// Why storage did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first: run the whole operation again.
    #[error("a concurrent change came first")]
    Contended(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The back end cannot be reached or failed.
    #[error("storage failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read is not what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A key, topic or value is not acceptable: what and why.
    #[error("{0}")]
    Invalid(String),
}
