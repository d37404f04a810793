//! A runtime to test, and what it talks to.

use std::{
    collections::HashMap,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_clock::SystemClock;
use micro_domain::{InstanceId, Limits, NamespaceId};
use micro_error::Error;
use micro_proto::runtime::{
    CreateOptions, CreateRequest, DeleteOptions, DeleteRequest, LogRecord, LogsRequest, ReadRequest, ReleaseEvent,
    Releases, Resource, Runtime as _, Service, Source, UpdateRequest, UploadRequest, WatchRequest,
};
use micro_rpc::mesh::{Alone, Credential, Credentials, DoorGuard, Duty, Ingress, Instances, Registrations, Traffic};
use micro_runtime::{BuildEgress, InstanceTable, Ports, Runtime, RuntimeConfig, Toolchains};
use micro_sandbox::{Launcher, Mode};
use micro_storage::memory::{MemoryBlobs, MemoryRecords};
use micro_tenancy::{Caller, Principal};
use micro_testkit::{authority, eventually, principal};

pub const SOON: Duration = Duration::from_secs(20);

/// What registry, gateway and auth would be.
pub struct Neighbours {
    /// Who was given an account and has not lost it.
    pub accounts: Mutex<HashMap<InstanceId, Principal>>,
    /// Instances in the order in which they were drained.
    pub drained: Mutex<Vec<InstanceId>>,
    /// Whether instances of a service register: by name, yes unless told otherwise.
    pub silent: Mutex<Vec<String>>,
    /// Where instances say they listen: here, until told otherwise.
    port: Mutex<u16>,
    _listener: TcpListener,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Registrations for Neighbours {
    async fn registered(&self, instance: InstanceId, _: Duration) -> Option<u16> {
        let account = lock(&self.accounts).get(&instance).cloned()?;
        if lock(&self.silent)
            .iter()
            .any(|name| account.account.as_str().starts_with(name.as_str()))
        {
            return std::future::pending().await;
        }
        Some(*lock(&self.port))
    }

    fn forget(&self, _: InstanceId) {}

    fn forget_all(&self, _: NamespaceId) {}
}

#[async_trait]
impl Traffic for Neighbours {
    async fn drained(&self, instance: InstanceId, _: Duration) -> bool {
        lock(&self.drained).push(instance);
        true
    }
}

impl Ingress for Neighbours {
    fn open(&self, listener: TcpListener, _: Principal) -> std::io::Result<DoorGuard> {
        Ok(DoorGuard::new(listener))
    }
}

#[async_trait]
impl Credentials for Neighbours {
    async fn issue(&self, principal: &Principal) -> Result<Credential, Error> {
        let instance = principal.instance.expect("an instance");
        lock(&self.accounts).insert(instance, principal.clone());
        Ok(Credential {
            id: principal.account.to_string(),
            secret: "s3cret".into(),
        })
    }

    async fn revoke(&self, _: NamespaceId, instance: InstanceId) -> Result<(), Error> {
        lock(&self.accounts).remove(&instance);
        Ok(())
    }
}

/// One runtime over what outlives it.
pub struct App {
    pub runtime: Arc<Runtime>,
    pub instances: Arc<InstanceTable>,
    pub world: World,
}

/// What outlives a runtime.
#[derive(Clone)]
pub struct World {
    pub neighbours: Arc<Neighbours>,
    pub folder: Arc<tempfile::TempDir>,
    pub toolchains: Toolchains,
    pub sdk: Option<micro_runtime::Sdk>,
    pub egress: Vec<String>,
    pub limits: Limits,
    pub mode: Mode,
    pub duty: Arc<dyn Duty>,
    pub records: Arc<MemoryRecords>,
    pub blobs: Arc<MemoryBlobs>,
}

impl World {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let neighbours = Neighbours {
            accounts: Mutex::default(),
            drained: Mutex::default(),
            silent: Mutex::default(),
            port: listener.local_addr().expect("bound").port().into(),
            _listener: listener,
        };
        let environment = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"].into_iter();
        #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
        let environment = environment.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        Self {
            neighbours: Arc::new(neighbours),
            folder: Arc::new(tempfile::tempdir().expect("a folder")),
            toolchains: Toolchains::new(&[], environment),
            sdk: None,
            egress: Vec::new(),
            limits: Limits::DEVELOPER,
            mode: Mode::Plain,
            duty: Arc::new(Alone),
            records: Arc::default(),
            blobs: Arc::default(),
        }
    }

    pub async fn start(&self) -> App {
        let app = self.open();
        app.runtime.take_over().await.expect("the runtime starts");
        app
    }

    /// A server that runs nothing yet.
    pub fn open(&self) -> App {
        let instances = Arc::new(InstanceTable::default());
        let config = RuntimeConfig {
            data_dir: self.data_dir(),
            launcher: Launcher::new(self.mode),
            network_address: "127.0.0.1:8443".to_owned(),
            toolchains: self.toolchains.clone(),
            sdk: self.sdk.clone(),
            egress: BuildEgress::parse(self.egress.iter().map(String::as_str)).expect("rules"),
            limits: self.limits,
            builds: 2,
        };
        let ports = Ports {
            records: self.records.clone(),
            blobs: self.blobs.clone(),
            ingress: self.neighbours.clone(),
            traffic: self.neighbours.clone(),
            duty: self.duty.clone(),
            registrations: self.neighbours.clone(),
            credentials: self.neighbours.clone(),
            instances: instances.clone(),
            clock: Arc::new(SystemClock),
            authority: authority(),
        };
        let runtime = Runtime::new(config, ports).expect("a folder");
        App {
            runtime,
            instances,
            world: self.clone(),
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("runtime")
    }

    /// Instances of a service that have an account now.
    pub fn accounts_of(&self, service: &str) -> Vec<InstanceId> {
        let accounts = lock(&self.neighbours.accounts);
        accounts
            .iter()
            .filter(|(_, p)| p.account.as_str().starts_with(service))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Instances register this port from now on.
    pub fn registers_at(&self, port: u16) {
        *lock(&self.neighbours.port) = port;
    }

    pub fn never_registers(&self, service: &str) {
        lock(&self.neighbours.silent).push(service.to_owned());
    }
}

impl App {
    pub async fn start() -> Self {
        World::new().start().await
    }

    pub async fn stop(self) -> World {
        self.runtime.stop(Duration::from_secs(5)).await;
        self.world
    }

    /// A person in a namespace.
    pub fn person<'a>(&'a self, namespace: &str) -> Person<'a> {
        Person {
            app: self,
            caller: authority().verified(principal(namespace, "ada")),
            namespace: namespace.to_owned(),
        }
    }

    pub fn ada(&self) -> Person<'_> {
        self.person("ada-ns")
    }
}

/// Somebody who asks.
pub struct Person<'a> {
    app: &'a App,
    pub caller: Caller,
    namespace: String,
}

/// A tar of these files.
pub fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(if path.ends_with(".sh") { 0o755 } else { 0o644 });
        tar.append_data(&mut header, path, text.as_bytes()).expect("packed");
    }
    tar.into_inner().expect("packed")
}

/// A service that says something and stays.
pub fn script(body: &str) -> Vec<u8> {
    tar(&[("micro.toml", "command = [\"/bin/sh\", \"run.sh\"]"), ("run.sh", body)])
}

pub const STAYS: &str = "echo hello from $MICRO_SERVICE_NAME\nexec sleep 1000\n";

impl Person<'_> {
    pub async fn upload(&self, name: &str, tar: Vec<u8>) -> Result<String, Error> {
        let service = Service {
            name: name.into(),
            version: "latest".into(),
            ..Service::default()
        };
        let mut first = Some(service);
        let pieces: Vec<_> = tar.chunks(1024).map(<[u8]>::to_vec).collect();
        let messages: Vec<_> = pieces
            .into_iter()
            .map(|data| {
                Ok(UploadRequest {
                    service: first.take(),
                    data,
                })
            })
            .collect();
        let uploaded = self
            .app
            .runtime
            .upload(&self.caller, stream::iter(messages).boxed())
            .await?;
        Ok(uploaded.id)
    }

    pub fn service(&self, name: &str, source: &str) -> Option<Resource> {
        let service = Service {
            name: name.into(),
            source: source.into(),
            ..Service::default()
        };
        Some(Resource {
            service: Some(service),
            ..Resource::default()
        })
    }

    pub async fn create(&self, name: &str, source: &str, options: CreateOptions) -> Result<(), Error> {
        let options = CreateOptions {
            namespace: self.namespace.clone(),
            ..options
        };
        let request = CreateRequest {
            resource: self.service(name, source),
            options: Some(options),
        };
        self.app.runtime.create(&self.caller, request).await.map(drop)
    }

    pub async fn update(&self, name: &str, source: &str) -> Result<(), Error> {
        let request = UpdateRequest {
            resource: self.service(name, source),
            options: None,
        };
        self.app.runtime.update(&self.caller, request).await.map(drop)
    }

    pub async fn kill(&self, name: &str) -> Result<(), Error> {
        let options = DeleteOptions {
            namespace: self.namespace.clone(),
        };
        let request = DeleteRequest {
            resource: self.service(name, ""),
            options: Some(options),
        };
        self.app.runtime.delete(&self.caller, request).await.map(drop)
    }

    /// Uploads, creates and waits for the end of the release's news.
    pub async fn run(&self, name: &str, tar: Vec<u8>) -> Vec<ReleaseEvent> {
        let source = self.upload(name, tar).await.expect("uploaded");
        self.create(name, &source, CreateOptions::default())
            .await
            .expect("created");
        self.news(name).await
    }

    pub async fn news(&self, name: &str) -> Vec<ReleaseEvent> {
        let request = WatchRequest {
            service: name.into(),
            ..WatchRequest::default()
        };
        let news = self.app.runtime.watch(&self.caller, request).await.expect("watched");
        let all = news.map(|event| event.expect("news")).collect();
        tokio::time::timeout(Duration::from_secs(300), all)
            .await
            .expect("the news end")
    }

    pub async fn services(&self) -> Vec<Service> {
        let read = self.app.runtime.read(&self.caller, ReadRequest::default()).await;
        read.expect("read").services
    }

    pub async fn status(&self, name: &str) -> i32 {
        self.services()
            .await
            .into_iter()
            .find(|s| s.name == name)
            .map_or(0, |s| s.status)
    }

    pub async fn wait_for(&self, name: &str, status: i32) {
        eventually(&format!("{name} at status {status}"), SOON, || async {
            self.status(name).await == status
        })
        .await;
    }

    pub async fn logs(&self, name: &str, count: i64) -> Result<Vec<LogRecord>, Error> {
        let request = LogsRequest {
            service: name.into(),
            count,
            ..LogsRequest::default()
        };
        let lines = self.app.runtime.logs(&self.caller, request).await?;
        Ok(lines.map(|line| line.expect("a line")).collect().await)
    }

    /// What an instance itself printed.
    pub async fn output(&self, name: &str) -> Vec<String> {
        let lines = self.logs(name, 0).await.expect("logs");
        let own = lines
            .into_iter()
            .filter(|l| l.metadata["instance"] != "build" && l.metadata["stream"] != "system");
        own.map(|l| l.message).collect()
    }

    /// The instances of a service that take requests.
    pub fn serving(&self, name: &str) -> Vec<InstanceId> {
        let namespace = micro_testkit::tenant(&self.namespace).id();
        let accounts = self.app.world.accounts_of(name);
        accounts
            .into_iter()
            .filter(|id| self.app.instances.connector(namespace, *id, 1).is_some())
            .collect()
    }
}

/// Whether a folder is empty or not there.
pub fn nothing_in(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}
