//! Rules, by id.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use micro_tenancy::rules::Rule;

use super::{Store, json, parse};

const TABLE: &str = "rules";

impl Store<'_> {
    /// Rules by id, at most `limit`.
    pub async fn list_rules(&self, limit: usize) -> Result<Vec<Rule>, StoreError> {
        self.all(TABLE, "", limit).await?.iter().map(parse).collect()
    }

    /// Adds a rule whose id is free, along with another one that may be there already; whether the id was free.
    pub async fn add_rule(&self, rule: &Rule, beside: Option<&Rule>) -> Result<bool, StoreError> {
        let put = |rule: &Rule| Write::put(Key::core(TABLE, &rule.id), json(rule));
        let mut batch = vec![put(rule).expecting(Expect::Absent)];
        batch.extend(beside.map(put));
        Ok(matches!(self.write(batch).await?, Written::Done(_)))
    }

    /// Removes a rule; whether there was one.
    pub async fn remove_rule(&self, id: &str) -> Result<bool, StoreError> {
        let key = Key::core(TABLE, id);
        let found = self
            .records
            .get(self.tenant, std::slice::from_ref(&key), self.now)
            .await?;
        let Some(record) = found.into_iter().next().flatten() else {
            return Ok(false);
        };
        let write = Write::delete(key).expecting(Expect::Version(record.version));
        Ok(matches!(self.write(vec![write]).await?, Written::Done(_)))
    }
}
