//! `runtime.Source/Upload`: a tar in small pieces, streamed into Blobs as it comes. What is in it is checked where it is
//! unpacked.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_proto::runtime::{Build, BuildReadResponse, Service, Source, UploadRequest, UploadResponse};
use micro_rpc::Streaming;
use micro_storage::StoreError;
use micro_tenancy::{Caller, Tenant};

use super::{invalid, service_id};
use crate::{
    Runtime,
    source::address::{Address, UPLOAD, upload_key},
    state::ServiceId,
};

const ID: &str = "runtime.Source.Upload";

/// Uploads of a namespace that come in at once.
const UPLOADING: Limit = Limit {
    name: "uploads.in_flight",
    max: 4,
};
/// Uploads kept of a namespace, for each service that it may run.
const KEPT: usize = 2;

/// Where a service's upload lies in its account's blobs.
pub(crate) fn source_key(id: &ServiceId) -> String {
    upload_key(&format!("{}:{}", id.name, id.version))
}

#[async_trait]
impl Source for Runtime {
    async fn upload(&self, caller: &Caller, mut request: Streaming<UploadRequest>) -> Result<UploadResponse, Error> {
        if caller.principal().is_none() {
            return Err(Error::new(
                Kind::Unauthenticated,
                ID,
                "An account is required to upload source",
            ));
        }
        let tenant = caller.enter_as_admin("").map_err(|e| e.with_id(ID))?;
        let first = request
            .next()
            .await
            .transpose()?
            .ok_or_else(|| invalid(ID, "No blob was sent"))?;
        let service = first.service.ok_or_else(|| invalid(ID, "No service was sent"))?;
        let id = service_id(&service, ID)?;
        let key = source_key(&id);
        if first.data.is_empty() {
            return Err(invalid(ID, "No blob was sent"));
        }
        let _uploading = self.shared.uploading.enter(tenant.id(), UPLOADING)?;
        self.make_room(&tenant, &key)
            .await
            .map_err(|e| Error::internal(e).with_id(ID))?;
        // Heads and padding of each entry come on top of what unpacks.
        let limits = self.shared.limits;
        let most = limits.upload_bytes.max + limits.upload_entries.max * 1024 + (1 << 20);
        let taken = AtomicU64::new(0);
        let rest = request.map(|message| message.map(|m| Bytes::from(m.data)));
        let body = stream::iter([Ok(Bytes::from(first.data))]).chain(rest).map(|chunk| {
            let chunk: Bytes = chunk.map_err(|e: Error| StoreError::Failed(e.into()))?;
            let bytes = taken.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
            if bytes > most {
                Err(StoreError::Invalid("too large".to_owned()))
            } else {
                Ok(chunk)
            }
        });
        let stored = self.shared.blobs.put(&tenant, &key, body.boxed(), most).await;
        let limit = limits.upload_bytes;
        match stored {
            Ok(_) => Ok(UploadResponse {
                id: format!("{UPLOAD}{}:{}", id.name, id.version),
            }),
            Err(_) if taken.load(Ordering::Relaxed) > most => {
                let bytes = taken.load(Ordering::Relaxed);
                let words = format!("limit {} reached: {bytes} of {}", limit.name, limit.max);
                Err(Error::new(Kind::TooLarge, format!("limits.{}", limit.name), words))
            }
            Err(e) => Err(Error::internal(e).with_id(ID)),
        }
    }
}

impl Runtime {
    /// An upload that no service names is waiting for its Create, or was never meant to have one: where there are too
    /// many, one of them goes.
    async fn make_room(&self, tenant: &Tenant, key: &str) -> Result<(), StoreError> {
        let kept = self.shared.blobs.list(tenant, &upload_key("")).await?;
        let most = usize::try_from(self.shared.limits.services.max).unwrap_or(usize::MAX);
        if kept.iter().any(|known| known == key) || kept.len() < most.saturating_mul(KEPT) {
            return Ok(());
        }
        let services = self.shared.store.services(tenant).await?;
        let named = |upload: &String| {
            let names = |source: &str| matches!(Address::parse(source), Ok(Address::Upload(key)) if key == *upload);
            services.iter().any(|service| names(&service.source))
        };
        match kept.iter().find(|upload| !named(upload)) {
            Some(orphan) => self.shared.blobs.delete(tenant, orphan).await.map(drop),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Build for Runtime {
    async fn read(&self, caller: &Caller, _: Service) -> Result<Streaming<BuildReadResponse>, Error> {
        const ID: &str = "runtime.Build.Read";
        if caller.principal().is_none() {
            return Err(Error::new(
                Kind::Unauthenticated,
                ID,
                "An account is required to read builds",
            ));
        }
        Err(Error::new(
            Kind::Unimplemented,
            ID,
            "Builds stay on this platform: it starts them itself",
        ))
    }
}
