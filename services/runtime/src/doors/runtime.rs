//! `runtime.Runtime`: Create, Read, Update, Delete (reference/micro-wire §2.7, §6).

use std::collections::BTreeMap;

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::runtime as wire;
use micro_rpc::Streaming;
use micro_storage::StoreError;
use micro_tenancy::{Actor, Caller, LimitReached, Tenant};
use secrecy::SecretString;

use super::{invalid, service_id};
use crate::{
    Runtime, environment,
    instance::rfc3339,
    service::Service,
    source::address::{Address, check_folder},
    state::{Outcome, ReleaseRecord, ServiceId, ServiceRecord, Status},
    store::{NewPlace, Seen},
};

const CREATE: &str = "runtime.Runtime.Create";
const READ: &str = "runtime.Runtime.Read";
const UPDATE: &str = "runtime.Runtime.Update";
const DELETE: &str = "runtime.Runtime.Delete";
/// Where a private repository's credentials come in.
const GIT_CREDENTIALS: &str = "GIT_CREDENTIALS";
/// Status and the like are ours to say; the caller keeps what else it sends.
const OURS: &[&str] = &["owner", "group", "started", "status", "error", "build"];

#[async_trait]
impl wire::Runtime for Runtime {
    async fn create(&self, caller: &Caller, request: wire::CreateRequest) -> Result<wire::CreateResponse, Error> {
        let Some(service) = wanted_service(caller, request.resource, CREATE)? else {
            return Ok(wire::CreateResponse {});
        };
        let options = request.options.unwrap_or_default();
        let tenant = caller
            .enter_as_admin(&options.namespace)
            .map_err(|e| e.with_id(CREATE))?;
        self.create_service(caller, &tenant, service, options)
            .await
            .map_err(|e| match e.kind() {
                // A limit that was reached keeps its own name.
                Kind::TooMany => e,
                _ => e.with_id(CREATE),
            })?;
        Ok(wire::CreateResponse {})
    }

    async fn read(&self, caller: &Caller, request: wire::ReadRequest) -> Result<wire::ReadResponse, Error> {
        let options = request.options.unwrap_or_default();
        let tenant = caller.enter(&options.namespace).map_err(|e| e.with_id(READ))?;
        let records = self.shared.store.services(&tenant).await.map_err(Error::internal)?;
        let asked = |given: &str, actual: &str| given.is_empty() || given == actual;
        let services = records
            .into_iter()
            .filter(|r| asked(&options.service, &r.id.name) && asked(&options.version, &r.id.version))
            .filter(|r| asked(&options.r#type, &r.kind))
            .map(|record| {
                let live = self.service(tenant.id(), &record.id);
                described(record, live.as_deref())
            })
            .collect();
        Ok(wire::ReadResponse { services })
    }

    async fn delete(&self, caller: &Caller, request: wire::DeleteRequest) -> Result<wire::DeleteResponse, Error> {
        let Some(service) = wanted_service(caller, request.resource, DELETE)? else {
            return Ok(wire::DeleteResponse {});
        };
        let options = request.options.unwrap_or_default();
        let tenant = caller
            .enter_as_admin(&options.namespace)
            .map_err(|e| e.with_id(DELETE))?;
        let id = service_id(&service, DELETE)?;
        if !self.remove(&tenant, &id).await? {
            return Err(Error::new(Kind::NotFound, DELETE, "not found"));
        }
        Ok(wire::DeleteResponse {})
    }

    async fn update(&self, caller: &Caller, request: wire::UpdateRequest) -> Result<wire::UpdateResponse, Error> {
        let Some(service) = wanted_service(caller, request.resource, UPDATE)? else {
            return Ok(wire::UpdateResponse {});
        };
        let options = request.options.unwrap_or_default();
        let tenant = caller
            .enter_as_admin(&options.namespace)
            .map_err(|e| e.with_id(UPDATE))?;
        let id = service_id(&service, UPDATE)?;
        let updated = self.release(&tenant, &id, None, |known| {
            let mut record = known.ok_or_else(|| Error::new(Kind::NotFound, UPDATE, "not found"))?;
            if !service.source.is_empty() {
                record.source.clone_from(&service.source);
                record.source_namespace = home_of(caller, &tenant);
            }
            if !options.entrypoint.is_empty() {
                record.entrypoint.clone_from(&options.entrypoint);
            }
            record.metadata.extend(callers_metadata(&service.metadata));
            Ok(record)
        });
        updated.await.map_err(|e| e.with_id(UPDATE))?;
        Ok(wire::UpdateResponse {})
    }

    async fn logs(&self, caller: &Caller, request: wire::LogsRequest) -> Result<Streaming<wire::LogRecord>, Error> {
        self.read_logs(caller, request).await
    }
}

impl Runtime {
    async fn create_service(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        service: wire::Service,
        options: wire::CreateOptions,
    ) -> Result<(), Error> {
        let id = service_id(&service, CREATE)?;
        let mut env = Vec::new();
        for variable in options.env.iter().filter(|v| !v.is_empty()) {
            env.push(environment::parse(variable).map_err(|e| invalid(CREATE, e))?);
        }
        if !options.image.is_empty() {
            return Err(invalid(CREATE, "images are not run on this platform: give it source"));
        }
        let fresh = ServiceRecord {
            id: id.clone(),
            source: service.source.clone(),
            source_namespace: home_of(caller, tenant),
            entrypoint: options.entrypoint.trim_matches('/').to_owned(),
            metadata: callers_metadata(&service.metadata),
            kind: if options.r#type.is_empty() {
                "service".to_owned()
            } else {
                options.r#type.clone()
            },
            command: words(options.command),
            args: words(options.args),
            env,
            owner: caller.principal().map_or_else(|| actor(tenant), |p| p.name.clone()),
            group: home_of(caller, tenant).name.to_string(),
            wanted: 0,
            good: None,
            updated_at: self.shared.clock.now(),
        };
        let mut secrets = options.secrets.into_iter();
        let git = secrets.find(|(name, value)| name == GIT_CREDENTIALS && !value.is_empty());
        let git = git.map(|(_, secret)| SecretString::from(secret));
        let released = self.release(tenant, &id, git, |known| {
            let mut record = fresh.clone();
            if let Some(known) = known {
                (record.wanted, record.good) = (known.wanted, known.good);
                (record.owner, record.group) = (known.owner, known.group);
            }
            Ok(record)
        });
        released.await
    }

    /// Whether the namespace may have one more service; if so, the place to take.
    async fn room(&self, tenant: &Tenant) -> Result<NewPlace, Error> {
        let store = &self.shared.store;
        // Before they are counted: whoever takes a place in between has changed it.
        let place = store.new_place(tenant).await.map_err(Error::internal)?;
        let services = store.services(tenant).await.map_err(Error::internal)?;
        LimitReached::check(self.shared.limits.services, services.len() as u64)?;
        Ok(place)
    }

    /// Records a new release of what `change` makes of the service as it is known, and has it built and run.
    async fn release(
        &self,
        tenant: &Tenant,
        id: &ServiceId,
        git: Option<SecretString>,
        change: impl Fn(Option<ServiceRecord>) -> Result<ServiceRecord, Error>,
    ) -> Result<(), Error> {
        let store = &self.shared.store;
        let uid_base = store
            .ensure_namespace(tenant.namespace())
            .await
            .map_err(Error::internal)?
            .uid_base;
        loop {
            // One that is ending must have ended before its folder is used again.
            if let Some(live) = self.service(tenant.id(), id).filter(|live| live.is_going()) {
                live.ended().await;
            }
            let known = match store.service(tenant, id).await {
                Err(StoreError::Contended(_)) => continue,
                known => known.map_err(Error::internal)?,
            };
            let (known, version) = known.unzip();
            let mut record = change(known)?;
            Address::parse(&record.source).map_err(|e| invalid(CREATE, format!("Error parsing git source: {e}")))?;
            check_folder(&record.entrypoint).map_err(|e| invalid(CREATE, e.to_string()))?;
            let seen = match version {
                Some(version) => Seen::Version(version),
                None => Seen::New(self.room(tenant).await?),
            };
            record.wanted += 1;
            record.updated_at = self.shared.clock.now();
            let release = ReleaseRecord {
                number: record.wanted,
                env: record.env.clone(),
                outcome: Outcome::Pending,
                created_at: record.updated_at,
            };
            match store.want(tenant, &record, seen, &release).await {
                // It is recorded, but the server that has taken over may not have seen it: only asking again tells.
                Ok(true) if !self.shared.duty.holds() => {
                    let text = "Another server has just begun to run services. Please try again.";
                    return Err(Error::new(Kind::Unavailable, CREATE, text));
                }
                Ok(true) => {
                    return self
                        .want(tenant.namespace(), uid_base, record, git)
                        .map_err(Error::internal);
                }
                Ok(false) | Err(StoreError::Contended(_)) => {}
                Err(e) => return Err(Error::internal(e)),
            }
        }
    }
}

/// The service that is meant; `None` where a resource is accepted that this machine has no use for.
fn wanted_service(caller: &Caller, resource: Option<wire::Resource>, id: &str) -> Result<Option<wire::Service>, Error> {
    let resource = resource.ok_or_else(|| invalid(id, "blank resource"))?;
    if let Some(service) = resource.service {
        return Ok(Some(service));
    }
    if resource.namespace.is_none() && resource.networkpolicy.is_none() && resource.resourcequota.is_none() {
        return Err(invalid(id, "blank resource"));
    }
    // Walls and quotas are the platform's to make (reference/micro-wire §10 item 3); here they are part of each start.
    caller.require_system().map_err(|e| e.with_id(id))?;
    Ok(None)
}

/// Where the caller's uploads are.
fn home_of(caller: &Caller, tenant: &Tenant) -> micro_domain::Namespace {
    caller
        .principal()
        .map_or_else(|| tenant.namespace().clone(), |p| p.namespace.clone())
}

fn actor(tenant: &Tenant) -> String {
    match tenant.actor() {
        Actor::Account(id, _) => id.to_string(),
        Actor::System(_) => "micro".to_owned(),
    }
}

fn callers_metadata(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = given
        .iter()
        .filter(|(name, value)| !OURS.contains(&name.as_str()) && name.len() + value.len() <= 4096);
    own.take(32)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Older clients send one empty word for none.
fn words(given: Vec<String>) -> Vec<String> {
    if given.iter().all(String::is_empty) {
        Vec::new()
    } else {
        given
    }
}

/// A service as clients see it.
fn described(record: ServiceRecord, live: Option<&Service>) -> wire::Service {
    let seen = live.map(Service::observed);
    let status = seen.as_ref().map_or(Status::Pending, |seen| seen.status);
    let mut metadata = record.metadata;
    let mut set = |name: &str, value: String| metadata.insert(name.to_owned(), value);
    set("owner", record.owner);
    set("group", record.group);
    set("started", rfc3339(record.updated_at));
    set("status", status.word().to_owned());
    if let Some(error) = seen.as_ref().and_then(|seen| seen.error.clone()) {
        set("error", error);
    }
    if let Some(build) = seen.and_then(|seen| seen.build) {
        set("build", build);
    }
    wire::Service {
        name: record.id.name,
        version: record.id.version,
        source: record.source,
        metadata,
        status: status.number(),
    }
}
