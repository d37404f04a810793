//! `store.Snapshots`: all records of a database out, and in again. Ours.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_error::Error;
use micro_proto::store::{ExportRequest, ExportResponse, Field, ImportRequest, ImportResponse, Snapshots, Stored};
use micro_rpc::Streaming;
use micro_tenancy::Caller;
use time::OffsetDateTime;

use super::{enter, field};
use crate::{
    App, Refusal,
    app::{
        snapshots::{Page, Restored},
        write_record::Draft,
    },
    store::entry,
};

#[async_trait]
impl Snapshots for App {
    async fn export(&self, caller: &Caller, request: ExportRequest) -> Result<Streaming<ExportResponse>, Error> {
        let id = "store.Snapshots.Export";
        let tenant = enter(caller, &request.database, id)?;
        let pages = App::export(self, &tenant, &request.table).await.map_err(|e| e.at(id))?;
        Ok(pages.map(move |page| page.map(render).map_err(|e| e.at(id))).boxed())
    }

    async fn import(&self, caller: &Caller, mut request: Streaming<ImportRequest>) -> Result<ImportResponse, Error> {
        let id = "store.Snapshots.Import";
        let Some(first) = request.next().await.transpose()? else {
            enter(caller, "", id)?;
            return Ok(ImportResponse::default());
        };
        let tenant = enter(caller, &first.database, id)?;
        let all = stream::iter([Ok(first)]).chain(request);
        let records = all.map(|message| message?.records.into_iter().map(parse).collect());
        let imported = App::import(self, &tenant, records).await.map_err(|e| e.at(id))?;
        Ok(ImportResponse {
            written: imported.written,
            expired: imported.expired,
        })
    }
}

fn render(page: Page) -> ExportResponse {
    let nanoseconds = |at: OffsetDateTime| i64::try_from(at.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    // As it is kept: what comes back is the same.
    let exact = |note: entry::Field| Field {
        r#type: note.kind,
        value: note.value,
    };
    let stored = page.entries.into_iter().map(|entry| Stored {
        table: page.table.clone(),
        key: entry.key,
        value: entry.value.into(),
        metadata: entry.metadata.into_iter().map(|(n, f)| (n, exact(f))).collect(),
        expires_at: entry.expires_at.map_or(0, nanoseconds),
    });
    ExportResponse {
        records: stored.collect(),
    }
}

fn parse(stored: Stored) -> Result<Restored, Refusal> {
    if stored.table.is_empty() {
        return Err(Refusal::NoTable);
    }
    let expires_at = match stored.expires_at {
        0 => None,
        at => Some(OffsetDateTime::from_unix_timestamp_nanos(at.into()).map_err(|_| Refusal::Time(at))?),
    };
    Ok(Restored {
        table: stored.table,
        draft: Draft {
            key: stored.key,
            value: stored.value,
            metadata: stored.metadata.into_iter().map(|(n, f)| (n, field(f))).collect(),
            lives: None,
        },
        expires_at,
    })
}
