//! Configuration: values by dotted path, set by people or by services.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Context, Error, value::found};

/// The namespace's configuration: one tree, which all of its services and `micro config` share.
///
/// ```no_run
/// # use micro_sdk::{Context, Error};
/// # async fn greet(context: Context) -> Result<String, Error> {
/// let greeting: Option<String> = context.config().get("greeter.greeting").await?;
/// # Ok(greeting.unwrap_or_else(|| "Hello".into())) }
/// ```
#[derive(Clone)]
pub struct Config {
    context: Context,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Got {
    value: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    data: String,
}

impl Config {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    /// What is at a path, if anything is. Secrets come masked.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        self.read(path, false).await
    }

    /// What is at a path, with secrets as they were set.
    pub async fn get_secret<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        self.read(path, true).await
    }

    /// Sets what is at a path.
    pub async fn set(&self, path: &str, value: &impl Serialize) -> Result<(), Error> {
        self.put(path, value, false).await
    }

    /// Sets what is at a path, kept encrypted.
    pub async fn set_secret(&self, path: &str, value: &impl Serialize) -> Result<(), Error> {
        self.put(path, value, true).await
    }

    /// Removes what is at a path, if anything is.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        let request = json!({ "namespace": self.context.namespace(), "path": path });
        let deleted = self.context.ask::<Value>("config", "Config.Delete", &request).await;
        found(deleted, "config.").map(drop)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, secret: bool) -> Result<Option<T>, Error> {
        let options = json!({ "secret": secret });
        let request = json!({ "namespace": self.context.namespace(), "path": path, "options": options });
        let got = found::<Got>(self.context.ask("config", "Config.Get", &request).await, "config.")?;
        let text = got.unwrap_or_default().value.data;
        let text = if text.is_empty() { "null" } else { &text };
        // What it holds may be a secret: it is not told.
        serde_json::from_str(text)
            .map_err(|e| Error::internal(format!("{path} is not what was expected (column {})", e.column())))
    }

    async fn put(&self, path: &str, value: &impl Serialize, secret: bool) -> Result<(), Error> {
        let data = serde_json::to_string(value).map_err(|e| Error::internal(format!("encoding {path}: {e}")))?;
        let request = json!({
            "namespace": self.context.namespace(),
            "path": path,
            "value": { "data": data, "format": "json" },
            "options": { "secret": secret },
        });
        self.context
            .ask::<Value>("config", "Config.Set", &request)
            .await
            .map(drop)
    }
}
