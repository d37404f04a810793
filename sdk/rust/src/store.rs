//! Records: values by key, which stay.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Context, Error,
    value::{found, number, pack, unpack},
};

/// Records of this service: a table of its namespace's database, called as the service unless [`Store::table`] says
/// otherwise. Values are anything serde knows, kept as JSON: `micro store list --table greeter` shows them.
///
/// ```no_run
/// # use micro_sdk::{Context, Error};
/// # async fn visit(context: Context) -> Result<u32, Error> {
/// let store = context.store();
/// let visits = store.read("visits").await?.unwrap_or(0) + 1;
/// store.write("visits", &visits).await?;
/// # Ok(visits) }
/// ```
#[derive(Clone)]
pub struct Store {
    context: Context,
    table: String,
}

#[derive(Deserialize)]
struct Record {
    key: String,
    #[serde(default)]
    value: String,
}

/// A value, and what [`Store::write_if`] compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Another one after each write.
    pub version: u64,
}

#[derive(Deserialize)]
struct Got {
    record: Record,
    #[serde(deserialize_with = "number")]
    version: u64,
}

#[derive(Deserialize)]
struct Updated {
    #[serde(deserialize_with = "number")]
    version: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Read {
    records: Vec<Record>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    keys: Vec<String>,
}

impl Store {
    pub(crate) fn new(context: Context) -> Self {
        let table = context.service().to_owned();
        Self { context, table }
    }

    /// Another table of the same database.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// The value at a key, if there is one.
    pub async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let read = self
            .ask("Store.Read", json!({ "key": key, "options": self.place() }))
            .await;
        let records = found::<Read>(read, "store.")?.unwrap_or_default().records;
        records
            .first()
            .map(|r| unpack(&r.value, &format!("the record {key:?}")))
            .transpose()
    }

    /// All values whose keys begin with `prefix`, with their keys.
    pub async fn read_prefix<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, Error> {
        let mut options = self.place();
        options["prefix"] = true.into();
        let read = self
            .ask("Store.Read", json!({ "key": prefix, "options": options }))
            .await;
        let records = found::<Read>(read, "store.")?.unwrap_or_default().records.into_iter();
        let value = |r: Record| Ok((unpack(&r.value, &format!("the record {:?}", r.key))?, r.key));
        records.map(|r| value(r).map(|(value, key)| (key, value))).collect()
    }

    /// Puts a value at a key, in place of what was there.
    pub async fn write(&self, key: &str, value: &impl Serialize) -> Result<(), Error> {
        self.put(json!({ "key": key, "value": pack(value)? })).await
    }

    /// Puts a value at a key, from where it vanishes by itself; what is less than a second counts as one.
    pub async fn write_for(&self, key: &str, value: &impl Serialize, lifetime: Duration) -> Result<(), Error> {
        let seconds = lifetime.as_secs().max(1).to_string();
        self.put(json!({ "key": key, "value": pack(value)?, "expiry": seconds }))
            .await
    }

    /// The value at a key with its version, if there is one.
    ///
    /// ```no_run
    /// # use micro_sdk::{Context, Error};
    /// # async fn visit(context: Context) -> Result<(), Error> {
    /// let store = context.store();
    /// loop {
    ///     let found = store.read_versioned::<u32>("visits").await?;
    ///     let (visits, version) = found.map_or((0, None), |f| (f.value, Some(f.version)));
    ///     if store.write_if("visits", &(visits + 1), version).await?.is_some() {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn read_versioned<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Versioned<T>>, Error> {
        let mut request = self.place();
        request["key"] = key.into();
        let Some(got) = found::<Got>(self.ask("Records.Get", request).await, "store.")? else {
            return Ok(None);
        };
        Ok(Some(Versioned {
            value: unpack(&got.record.value, &format!("the record {key:?}"))?,
            version: got.version,
        }))
    }

    /// Puts a value at a key if what is there still has this version, or if nothing is there and none is named. The
    /// new version; none where somebody else was first.
    pub async fn write_if(
        &self,
        key: &str,
        value: &impl Serialize,
        version: Option<u64>,
    ) -> Result<Option<u64>, Error> {
        let request = json!({
            "record": { "key": key, "value": pack(value)? },
            "options": self.place(),
            "expect_version": version.unwrap_or(0).to_string(),
        });
        match self.ask::<Updated>("Records.Update", request).await {
            Ok(updated) => Ok(Some(updated.version)),
            Err(e) if e.code == 409 => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Removes what is at a key, if anything is.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        let deleted = self
            .ask("Store.Delete", json!({ "key": key, "options": self.place() }))
            .await;
        found::<Value>(deleted, "store.").map(drop)
    }

    /// The keys that begin with `prefix`, in order; all keys where it is empty.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut options = self.place();
        options["prefix"] = prefix.into();
        let request = json!({ "options": options });
        let mut pages = self
            .context
            .open::<_, Listed>("store", "Store.List", &request, None)
            .await?;
        let mut keys = vec![];
        while let Some(page) = pages.next().await {
            keys.extend(page?.keys);
        }
        Ok(keys)
    }

    fn place(&self) -> Value {
        json!({ "database": self.context.namespace(), "table": self.table })
    }

    async fn put(&self, record: Value) -> Result<(), Error> {
        let request = json!({ "record": record, "options": self.place() });
        self.ask::<Value>("Store.Write", request).await.map(drop)
    }

    async fn ask<A: DeserializeOwned>(&self, endpoint: &str, request: Value) -> Result<A, Error> {
        self.context.ask("store", endpoint, &request).await
    }
}
