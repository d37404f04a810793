//! Services that are run: remembered as they were asked for, and done with at once.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_error::{Error, Kind};
use micro_proto::runtime;
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use super::{State, known, refused};

#[async_trait]
impl runtime::Runtime for State {
    async fn create(&self, caller: &Caller, request: runtime::CreateRequest) -> Result<runtime::CreateResponse, Error> {
        known(caller)?;
        *self.created.lock().expect("not poisoned") = Some(request);
        Ok(runtime::CreateResponse {})
    }

    async fn read(&self, caller: &Caller, request: runtime::ReadRequest) -> Result<runtime::ReadResponse, Error> {
        known(caller)?;
        let wanted = request.options.unwrap_or_default().service;
        let mut services = self.services.lock().expect("not poisoned").clone();
        services.retain(|s| wanted.is_empty() || s.name == wanted);
        Ok(runtime::ReadResponse { services })
    }

    async fn delete(&self, caller: &Caller, request: runtime::DeleteRequest) -> Result<runtime::DeleteResponse, Error> {
        known(caller)?;
        let service = request.resource.unwrap_or_default().service.unwrap_or_default();
        let mut services = self.services.lock().expect("not poisoned");
        let before = services.len();
        services.retain(|s| (&s.name, &s.version) != (&service.name, &service.version));
        match services.len() == before {
            true => refused(Kind::NotFound, "runtime.Runtime.Delete", "not found"),
            false => Ok(runtime::DeleteResponse {}),
        }
    }

    async fn update(&self, caller: &Caller, request: runtime::UpdateRequest) -> Result<runtime::UpdateResponse, Error> {
        known(caller)?;
        let service = request.resource.unwrap_or_default().service.unwrap_or_default();
        self.note(format!(
            "update {} {} {}",
            service.name, service.version, service.source
        ));
        Ok(runtime::UpdateResponse {})
    }

    async fn logs(
        &self,
        caller: &Caller,
        request: runtime::LogsRequest,
    ) -> Result<Streaming<runtime::LogRecord>, Error> {
        known(caller)?;
        self.note(format!(
            "logs {} stream={} count={} version={}",
            request.service, request.stream, request.count, request.version
        ));
        if request.service != "greeter" {
            return refused(Kind::NotFound, "runtime.Runtime.Logs", "Logs not found for service");
        }
        let line = |n: i64| runtime::LogRecord {
            timestamp: n * 1_000,
            metadata: Default::default(),
            message: format!("line {n}"),
        };
        Ok(Box::pin(stream::iter((1..=2).map(move |n| Ok(line(n))))))
    }
}

#[async_trait]
impl runtime::Source for State {
    async fn upload(
        &self,
        caller: &Caller,
        mut request: Streaming<runtime::UploadRequest>,
    ) -> Result<runtime::UploadResponse, Error> {
        known(caller)?;
        let mut bytes = Vec::new();
        let mut name = String::new();
        while let Some(part) = request.next().await {
            let part = part?;
            name = part.service.map_or(name, |s| s.name);
            bytes.extend(part.data);
        }
        *self.uploaded.lock().expect("not poisoned") = bytes;
        Ok(runtime::UploadResponse {
            id: format!("source://{name}:latest"),
        })
    }
}

#[async_trait]
impl runtime::Releases for State {
    async fn watch(
        &self,
        caller: &Caller,
        request: runtime::WatchRequest,
    ) -> Result<Streaming<runtime::ReleaseEvent>, Error> {
        known(caller)?;
        let event = |status, line: &str, error: &str| {
            Ok(runtime::ReleaseEvent {
                release: 1,
                status,
                line: line.into(),
                error: error.into(),
                timestamp: 0,
            })
        };
        let end = match request.service.as_str() {
            "echoing" => event(7, "", "   Compiling it"),
            "broken" => event(7, "", "Error building service: could not compile `broken`"),
            _ => event(4, "", ""),
        };
        let events = [
            event(1, "", ""),
            event(2, "", ""),
            event(2, "   Compiling it", ""),
            event(3, "", ""),
            end,
        ];
        Ok(Box::pin(stream::iter(events)))
    }
}
