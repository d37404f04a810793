//! One request to an endpoint, as it is written on the command line.

use micro_tenancy::{Caller, Metadata};

use crate::{
    exit::{Exit, Failure, Result},
    json,
    remote::Session,
};

/// The words of `micro call` and `micro stream`.
#[derive(Debug, clap::Args)]
pub struct Question {
    /// The service
    service: String,
    /// Its endpoint: Handler.Method
    endpoint: String,
    /// The request
    #[arg(value_name = "JSON")]
    body: Vec<String>,

    /// Sent beside the request; may be repeated
    #[arg(
        long,
        alias = "header",
        env = "MICRO_METADATA",
        value_name = "KEY=VALUE",
        hide_env_values = true
    )]
    metadata: Vec<String>,
}

/// The same, read: nothing was sent yet.
pub struct Asked {
    pub service: String,
    pub endpoint: String,
    pub body: String,
    metadata: Metadata,
}

impl Question {
    /// Reads it, or says what is wrong with it.
    pub fn read(self) -> Result<Asked> {
        check_endpoint(&self.endpoint)?;
        Ok(Asked {
            body: body(&self.body)?,
            metadata: metadata(&self.metadata)?,
            service: self.service,
            endpoint: self.endpoint,
        })
    }
}

impl Asked {
    /// Who asks it, and in which namespace.
    pub fn caller(&self, session: &Session) -> Caller {
        let namespace = super::service::home_of(&self.service, &session.namespace);
        session.caller_in(&namespace, self.metadata.clone())
    }
}

/// Refuses what cannot name an endpoint, before anything is sent. A whole path goes as it is.
fn check_endpoint(endpoint: &str) -> Result<()> {
    if endpoint.starts_with('/') {
        return Ok(());
    }
    match endpoint.split('.').collect::<Vec<_>>().as_slice() {
        [handler, method] if !handler.is_empty() && !method.is_empty() && !endpoint.contains('/') => Ok(()),
        _ => Err(Failure::new(
            Exit::BadMethod,
            format!("Method name {endpoint:?} invalid format. Expecting service.endpoint"),
        )),
    }
}

/// The words of a request, as one JSON text.
fn body(words: &[String]) -> Result<String> {
    if words.is_empty() {
        return Ok("{}".into());
    }
    let text = words.join(" ");
    json::check(&text).map_err(|e| Failure::plain(format!("Error creating request {e}")))?;
    Ok(text)
}

/// `key=value` pairs as metadata: names in lower case, as they travel.
fn metadata(pairs: &[String]) -> Result<Metadata> {
    let pair = |pair: &String| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_ascii_lowercase(), value.to_owned())),
        _ => Err(Failure::plain(format!("invalid metadata {pair:?}: expected KEY=VALUE"))),
    };
    pairs.iter().map(pair).collect()
}
