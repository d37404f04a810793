//! Rules, by id.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use micro_tenancy::rules::Rule;

use super::{Store, accounts::RACES, json, parse, tally::Counted};

const TABLE: &str = Counted::Rules.table();

/// What adding a rule came to.
pub enum Added {
    Done,
    IdTaken,
    /// There are so many that no more may be added.
    Full(u64),
}

impl Store<'_> {
    /// Every rule, by id.
    pub async fn list_rules(&self) -> Result<Vec<Rule>, StoreError> {
        self.all(TABLE, "", usize::MAX).await?.iter().map(parse).collect()
    }

    /// Adds a rule whose id is free, if there are fewer than `most`. The first one is added along with the `default`
    /// that counted until then.
    pub async fn add_rule(&self, rule: &Rule, default: &Rule, most: u64) -> Result<Added, StoreError> {
        let put = |rule: &Rule| Write::put(Key::core(TABLE, &rule.id), json(rule)).expecting(Expect::Absent);
        for _ in 0..RACES {
            let tally = self.tally(Counted::Rules).await?;
            let first = tally.count == 0;
            if (first && default.id == rule.id) || self.find_rule(&rule.id).await? {
                return Ok(Added::IdTaken);
            }
            if tally.count >= most {
                return Ok(Added::Full(tally.count));
            }
            let mut batch = vec![put(rule)];
            batch.extend(first.then(|| put(default)));
            batch.push(tally.becomes(tally.count + batch.len() as u64));
            if let Written::Done(_) = self.write(batch).await? {
                return Ok(Added::Done);
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Removes a rule; whether there was one.
    pub async fn remove_rule(&self, id: &str) -> Result<bool, StoreError> {
        for _ in 0..RACES {
            let tally = self.tally(Counted::Rules).await?;
            if !self.find_rule(id).await? {
                return Ok(false);
            }
            // Whoever removed it meanwhile has changed the tally too.
            let batch = vec![
                Write::delete(Key::core(TABLE, id)),
                tally.becomes(tally.count.saturating_sub(1)),
            ];
            if let Written::Done(_) = self.write(batch).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended(None))
    }

    async fn find_rule(&self, id: &str) -> Result<bool, StoreError> {
        let found = self.records.get(self.tenant, &[Key::core(TABLE, id)], self.now).await?;
        Ok(found.into_iter().flatten().next().is_some())
    }
}
