//! `config.Config`: get, set, delete, and the older read; `config.Watcher`, ours. All of it is for those who may change things in their
//! namespace, so that asking for secrets takes no further right.

use async_trait::async_trait;
use futures::StreamExt;
use micro_error::Error;
use micro_proto::config::{
    Change, ChangeSet, Config, DeleteRequest, DeleteResponse, GetRequest, GetResponse, ReadRequest, ReadResponse,
    SetRequest, SetResponse, Value, WatchRequest, WatchResponse, Watcher,
};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, Tenant};

use crate::{App, Refusal};

#[async_trait]
impl Config for App {
    async fn get(&self, caller: &Caller, request: GetRequest) -> Result<GetResponse, Error> {
        let id = "config.Config.Get";
        let tenant = enter(caller, &request.namespace, id)?;
        let secrets = request.options.is_some_and(|options| options.secret);
        let data = self
            .get_value(&tenant, &request.path, secrets)
            .await
            .map_err(|e| e.at(id))?;
        Ok(GetResponse {
            value: Some(value(data)),
        })
    }

    async fn set(&self, caller: &Caller, request: SetRequest) -> Result<SetResponse, Error> {
        let id = "config.Config.Set";
        let tenant = enter(caller, &request.namespace, id)?;
        let value = request.value.ok_or_else(|| Refusal::NoValue.at(id))?;
        let secret = request.options.is_some_and(|options| options.secret);
        self.set_value(&tenant, &request.path, &value.data, secret)
            .await
            .map_err(|e| e.at(id))?;
        Ok(SetResponse {})
    }

    async fn delete(&self, caller: &Caller, request: DeleteRequest) -> Result<DeleteResponse, Error> {
        let id = "config.Config.Delete";
        let tenant = enter(caller, &request.namespace, id)?;
        self.delete_value(&tenant, &request.path).await.map_err(|e| e.at(id))?;
        Ok(DeleteResponse {})
    }

    async fn read(&self, caller: &Caller, request: ReadRequest) -> Result<ReadResponse, Error> {
        let id = "config.Config.Read";
        let tenant = enter(caller, &request.namespace, id)?;
        let data = self
            .get_value(&tenant, &request.path, false)
            .await
            .map_err(|e| e.at(id))?;
        let change_set = ChangeSet {
            data,
            format: "json".into(),
            ..Default::default()
        };
        let change = Change {
            namespace: request.namespace,
            path: request.path,
            change_set: Some(change_set),
        };
        Ok(ReadResponse { change: Some(change) })
    }
}

#[async_trait]
impl Watcher for App {
    async fn watch(&self, caller: &Caller, request: WatchRequest) -> Result<Streaming<WatchResponse>, Error> {
        let id = "config.Watcher.Watch";
        let tenant = enter(caller, &request.namespace, id)?;
        let secrets = request.options.is_some_and(|options| options.secret);
        let values = self.watch_value(tenant, &request.path, secrets).map_err(|e| e.at(id))?;
        let message = |data| WatchResponse {
            value: Some(value(data)),
        };
        Ok(values.map(move |data| data.map(message).map_err(|e| e.at(id))).boxed())
    }
}

/// A value as it travels: Micro leaves its format empty.
fn value(data: String) -> Value {
    Value {
        data,
        format: String::new(),
    }
}

/// Leave to work in the namespace that a message names: by default the caller's own.
fn enter(caller: &Caller, namespace: &str, id: &str) -> Result<Tenant, Error> {
    caller.enter_as_admin(namespace).map_err(|error| error.with_id(id))
}
