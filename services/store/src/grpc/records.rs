//! `store.Records`: records with their versions. Ours.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::store::{GetRequest, GetResponse, Records, UpdateRequest, UpdateResponse};
use micro_storage::records::Expect;
use micro_tenancy::Caller;

use super::{draft, enter, render, table};
use crate::App;

#[async_trait]
impl Records for App {
    async fn get(&self, caller: &Caller, request: GetRequest) -> Result<GetResponse, Error> {
        let id = "store.Records.Get";
        let tenant = enter(caller, &request.database, id)?;
        let entry = self
            .get_record(&tenant, table(&request.table), &request.key)
            .await
            .map_err(|e| e.at(id))?;
        Ok(GetResponse {
            version: entry.version,
            record: Some(render(entry, self.parts.clock.now())),
        })
    }

    async fn update(&self, caller: &Caller, request: UpdateRequest) -> Result<UpdateResponse, Error> {
        let id = "store.Records.Update";
        let options = request.options.unwrap_or_default();
        let tenant = enter(caller, &options.database, id)?;
        let draft = draft(request.record).map_err(|e| e.at(id))?;
        let expect = match request.expect_version {
            0 => Expect::Absent,
            version => Expect::Version(version),
        };
        let version = self
            .write_record(&tenant, table(&options.table), draft, expect)
            .await
            .map_err(|e| e.at(id))?;
        Ok(UpdateResponse { version })
    }
}
