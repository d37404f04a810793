//! Writing and removing a record.

use micro_storage::records::{Expect, Write, Written};
use micro_tenancy::Tenant;
use time::{Duration, OffsetDateTime};

use super::key;
use crate::{
    App, Refusal,
    store::entry::{self, Metadata},
};

/// A record as somebody wants it.
pub struct Draft {
    pub key: String,
    pub value: Vec<u8>,
    pub metadata: Metadata,
    /// How long it is to live, if not for ever.
    pub lives: Option<Duration>,
}

impl App {
    /// Stores a record if what is expected of the one before holds. Its new version.
    pub async fn write_record(
        &self,
        tenant: &Tenant,
        table: &str,
        draft: Draft,
        expect: Expect,
    ) -> Result<u64, Refusal> {
        let now = self.parts.clock.now();
        let until = match draft.lives {
            Some(lives) => Some(now.checked_add(lives).ok_or(Refusal::Expiry)?),
            None => None,
        };
        let write = self.put(tenant, table, draft, until)?.expecting(expect);
        match self.parts.records.write(tenant, vec![write], now).await? {
            Written::Done(versions) => Ok(versions.into_iter().next().unwrap_or_default()),
            Written::Lost(_) => Err(match expect {
                Expect::Version(version) => Refusal::Changed(version),
                Expect::Absent | Expect::Any => Refusal::Exists,
            }),
        }
    }

    /// Removes a record, if there is one.
    pub async fn delete_record(&self, tenant: &Tenant, table: &str, name: &str) -> Result<(), Refusal> {
        let delete = Write::delete(key(tenant, table, name)?);
        self.parts
            .records
            .write(tenant, vec![delete], self.parts.clock.now())
            .await?;
        Ok(())
    }

    /// The write that stores a record, if it is acceptable.
    pub(super) fn put(
        &self,
        tenant: &Tenant,
        table: &str,
        draft: Draft,
        until: Option<OffsetDateTime>,
    ) -> Result<Write, Refusal> {
        self.check(&draft)?;
        let value = entry::encode(&draft.value, &draft.metadata);
        let write = Write::put(key(tenant, table, &draft.key)?, value);
        Ok(match until {
            Some(until) => write.until(until),
            None => write,
        })
    }

    fn check(&self, draft: &Draft) -> Result<(), Refusal> {
        if draft.key.is_empty() {
            return Err(Refusal::NoKey);
        }
        let limit = self.parts.limits.value_bytes;
        let notes = draft.metadata.iter();
        let notes: usize = notes
            .map(|(name, note)| name.len() + note.kind.len() + note.value.len())
            .sum();
        let used = draft.value.len() + notes;
        if used as u64 > limit.max {
            return Err(Refusal::Value { used, limit });
        }
        Ok(())
    }
}
