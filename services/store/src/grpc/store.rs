//! `store.Store`: read, write, delete, list, databases, tables.

use async_trait::async_trait;
use futures::StreamExt;
use micro_error::Error;
use micro_proto::store::{
    DatabasesRequest, DatabasesResponse, DeleteRequest, DeleteResponse, ListRequest, ListResponse, ReadOptions,
    ReadRequest, ReadResponse, Store, StoreServer, TablesRequest, TablesResponse, WriteRequest, WriteResponse,
};
use micro_rpc::{Call, Payload, Service, ServiceDescriptor, Status, Streaming};
use micro_storage::records::Expect;
use micro_tenancy::Caller;

use super::{draft, enter, render, table};
use crate::{App, Refusal, store::search::Wanted};

/// The generated server, which does not know that reading one record by its key is short.
pub struct Served(pub StoreServer<App>);

#[async_trait]
impl Service for Served {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0.descriptor()
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        self.0.call(call).await
    }

    fn is_short(&self, call: &Call) -> bool {
        let Payload::One(message) = &call.payload else {
            return false;
        };
        let by_key = |request: ReadRequest| request.options.is_none_or(|o| !o.prefix && !o.suffix);
        call.method == "Read" && call.codec.decode(message.clone()).is_ok_and(by_key)
    }
}

#[async_trait]
impl Store for App {
    async fn read(&self, caller: &Caller, request: ReadRequest) -> Result<ReadResponse, Error> {
        let id = "store.Store.Read";
        let options = request.options.unwrap_or_default();
        let tenant = enter(caller, &options.database, id)?;
        let table = table(&options.table);
        let found = if options.prefix || options.suffix {
            let wanted = wanted(request.key, &options).map_err(|e| e.at(id))?;
            self.find_records(&tenant, table, wanted).await
        } else {
            self.get_record(&tenant, table, &request.key)
                .await
                .map(|entry| vec![entry])
        };
        let now = self.parts.clock.now();
        let records = found.map_err(|e| e.at(id))?.into_iter().map(|entry| render(entry, now));
        Ok(ReadResponse {
            records: records.collect(),
        })
    }

    async fn write(&self, caller: &Caller, request: WriteRequest) -> Result<WriteResponse, Error> {
        let id = "store.Store.Write";
        let options = request.options.unwrap_or_default();
        let tenant = enter(caller, &options.database, id)?;
        let draft = draft(request.record).map_err(|e| e.at(id))?;
        self.write_record(&tenant, table(&options.table), draft, Expect::Any)
            .await
            .map_err(|e| e.at(id))?;
        Ok(WriteResponse {})
    }

    async fn delete(&self, caller: &Caller, request: DeleteRequest) -> Result<DeleteResponse, Error> {
        let id = "store.Store.Delete";
        let options = request.options.unwrap_or_default();
        let tenant = enter(caller, &options.database, id)?;
        self.delete_record(&tenant, table(&options.table), &request.key)
            .await
            .map_err(|e| e.at(id))?;
        Ok(DeleteResponse {})
    }

    async fn list(&self, caller: &Caller, request: ListRequest) -> Result<Streaming<ListResponse>, Error> {
        let id = "store.Store.List";
        let options = request.options.unwrap_or_default();
        let tenant = enter(caller, &options.database, id)?;
        let wanted = Wanted {
            prefix: options.prefix,
            suffix: options.suffix,
            offset: options.offset,
            limit: options.limit,
            descending: descending(&options.order).map_err(|e| e.at(id))?,
        };
        let pages = self
            .list_keys(&tenant, table(&options.table), wanted)
            .map_err(|e| e.at(id))?;
        Ok(pages
            .map(move |page| page.map(|keys| ListResponse { keys }).map_err(|e| e.at(id)))
            .boxed())
    }

    async fn databases(&self, caller: &Caller, _: DatabasesRequest) -> Result<DatabasesResponse, Error> {
        let tenant = enter(caller, "", "store.Store.Database")?;
        let databases = self.list_databases(&tenant).await;
        Ok(DatabasesResponse {
            databases: databases.map_err(|e| Refusal::from(e).at("store.Store.Databases"))?,
        })
    }

    async fn tables(&self, caller: &Caller, request: TablesRequest) -> Result<TablesResponse, Error> {
        let id = "store.Store.Tables";
        let tenant = enter(caller, &request.database, id)?;
        let tables = self.list_tables(&tenant).await;
        Ok(TablesResponse {
            tables: tables.map_err(|e| Refusal::from(e).at(id))?,
        })
    }
}

/// The key is what keys begin with, end with, or both.
fn wanted(key: String, options: &ReadOptions) -> Result<Wanted, Refusal> {
    Ok(Wanted {
        prefix: if options.prefix { key.clone() } else { String::new() },
        suffix: if options.suffix { key } else { String::new() },
        offset: options.offset,
        limit: options.limit,
        descending: descending(&options.order)?,
    })
}

fn descending(order: &str) -> Result<bool, Refusal> {
    match order {
        "" | "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Refusal::Order),
    }
}
