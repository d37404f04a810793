//! A namespace from its three words to its walls, and back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use micro_clock::{Clock, Ids};
use micro_domain::{AttemptId, Namespace, NamespaceId, NamespaceName};
use micro_error::Error;
use micro_proto::namespaces::{self as wire, Namespaces};
use micro_storage::{Db, retrying};
use micro_tenancy::{Caller, SystemTask};
use time::{Duration, OffsetDateTime};

use crate::{
    NamespacesError, State, Wall, names,
    page::{self, After},
    store::{Names, Row, Rows},
};

type Result<T> = std::result::Result<T, NamespacesError>;

/// How long a looked-up name is believed: what every cache here promises.
const BELIEVED: Duration = Duration::seconds(5);
const REMEMBERED: usize = 10_000;

/// Reserves, walls in, finds and takes back namespaces.
pub struct NamespacesService {
    db: Db,
    clock: Arc<dyn Clock>,
    walls: Vec<Arc<dyn Wall>>,
    seen: Mutex<HashMap<NamespaceName, (OffsetDateTime, Namespace)>>,
}

impl NamespacesService {
    /// A service that raises these walls, in this order, around each new namespace.
    pub fn new(db: Db, clock: Arc<dyn Clock>, walls: Vec<Arc<dyn Wall>>) -> Self {
        Self {
            db,
            clock,
            walls,
            seen: Mutex::default(),
        }
    }

    /// The visible namespace of that name. Found ones are remembered for five seconds.
    pub async fn find_by_name(&self, name: &NamespaceName) -> Result<Option<Namespace>> {
        let now = self.clock.now();
        let seen = self.seen.lock().expect("no panic while holding it").get(name).cloned();
        if let Some((_, namespace)) = seen.filter(|(at, _)| now - *at < BELIEVED) {
            return Ok(Some(namespace));
        }
        let found = self
            .find_row(None, Some(name))
            .await?
            .filter(|row| row.state.is_visible())
            .map(|row| row.namespace);
        let mut seen = self.seen.lock().expect("no panic while holding it");
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        match &found {
            Some(namespace) => seen.insert(name.clone(), (now, namespace.clone())),
            None => seen.remove(name),
        };
        Ok(found)
    }

    async fn find_row(&self, id: Option<NamespaceId>, name: Option<&NamespaceName>) -> Result<Option<Row>> {
        let db = self.db.system(SystemTask::Directory);
        retrying(async || {
            let mut tx = db.begin().await?;
            let id = match (id, name) {
                (Some(id), _) => Some(id),
                (None, Some(name)) => Names(&mut tx).find_by_name(name).await?,
                (None, None) => None,
            };
            let Some(id) = id else { return Ok(None) };
            Rows(&mut tx).find(id).await
        })
        .await
    }

    /// The attempt's namespace: the one it has, or a new one under a fresh name.
    async fn reserve_for(&self, attempt: AttemptId) -> Result<Row> {
        for _ in 0..16 {
            let name = names::throw();
            if !names::is_free_to_give(&name) {
                continue;
            }
            let namespace = Namespace {
                id: NamespaceId::new(Ids.random()),
                name,
            };
            if let Some(row) = self.reserve_as(&namespace, attempt).await? {
                return Ok(row);
            }
        }
        Err(NamespacesError::NoName)
    }

    /// None where the name is another's: throw again.
    async fn reserve_as(&self, namespace: &Namespace, attempt: AttemptId) -> Result<Option<Row>> {
        let now = self.clock.now();
        let db = self.db.system(SystemTask::Provisioning);
        retrying(async || {
            let mut tx = db.begin().await?;
            if Names(&mut tx).take(namespace, attempt, now).await? {
                Rows(&mut tx).add(namespace, now).await?;
            }
            let row = match Names(&mut tx).find_by_attempt(attempt).await? {
                Some(id) => Rows(&mut tx).find(id).await?,
                None => None,
            };
            tx.commit().await?;
            Ok(row)
        })
        .await
    }

    /// Raises every wall, in order, and only then lets the namespace be seen.
    async fn provision_one(&self, id: NamespaceId) -> Result<Row> {
        let row = self.find_row(Some(id), None).await?.ok_or(NamespacesError::NotFound)?;
        match row.state {
            State::Reserved => {}
            state if state.is_visible() => return Ok(row),
            state => return Err(NamespacesError::Gone(state)),
        }
        for wall in &self.walls {
            wall.raise(&row.namespace)
                .await
                .map_err(|e| NamespacesError::Wall(wall.name(), e))?;
        }
        if !self.shift(id, State::Reserved, State::Active).await? {
            let row = self.find_row(Some(id), None).await?.ok_or(NamespacesError::NotFound)?;
            return if row.state.is_visible() {
                Ok(row)
            } else {
                Err(NamespacesError::Gone(row.state))
            };
        }
        Ok(Row {
            state: State::Active,
            ..row
        })
    }

    /// Hides the namespace, lowers its walls in the opposite order, and keeps its name taken.
    async fn release_of(&self, attempt: AttemptId) -> Result<()> {
        let db = self.db.system(SystemTask::Provisioning);
        let row = retrying(async || {
            let mut tx = db.begin().await?;
            match Names(&mut tx).find_by_attempt(attempt).await? {
                Some(id) => Rows(&mut tx).find(id).await,
                None => Ok(None),
            }
        })
        .await?;
        let Some(row) = row.filter(|row| row.state != State::Erased) else {
            return Ok(());
        };
        let id = row.namespace.id;
        if row.state != State::Closing && !self.shift(id, row.state, State::Closing).await? {
            return Err(NamespacesError::Gone(row.state));
        }
        self.seen
            .lock()
            .expect("no panic while holding it")
            .remove(&row.namespace.name);
        for wall in self.walls.iter().rev() {
            wall.lower(&row.namespace)
                .await
                .map_err(|e| NamespacesError::Wall(wall.name(), e))?;
        }
        self.shift(id, State::Closing, State::Erased).await?;
        Ok(())
    }

    async fn shift(&self, id: NamespaceId, from: State, to: State) -> Result<bool> {
        let now = self.clock.now();
        let db = self.db.system(SystemTask::Provisioning);
        retrying(async || {
            let mut tx = db.begin().await?;
            let moved = Rows(&mut tx).shift(id, from, to, now).await?;
            tx.commit().await?;
            Ok(moved)
        })
        .await
    }

    async fn list_page(&self, request: &wire::ListRequest) -> Result<wire::ListResponse> {
        let (after, size) = (After::parse(&request.cursor)?, page::size(request.limit));
        let db = self.db.system(SystemTask::Operators);
        let mut rows = retrying(async || Rows(&mut db.begin().await?).list(after, size + 1).await).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|row| After {
            created_at: row.created_at,
            id: row.namespace.id.uuid(),
        });
        Ok(wire::ListResponse {
            namespaces: rows.into_iter().map(wire::Namespace::from).collect(),
            next_cursor: next.map(After::cursor).unwrap_or_default(),
        })
    }
}

impl From<Row> for wire::Namespace {
    fn from(row: Row) -> Self {
        Self {
            id: row.namespace.id.to_string(),
            name: row.namespace.name.into(),
            state: row.state.as_str().to_owned(),
            created_at: row.created_at.unix_timestamp(),
        }
    }
}

fn attempt(text: &str) -> Result<AttemptId> {
    text.parse().map_err(|_| NamespacesError::Malformed("attempt"))
}

fn id(text: &str) -> Result<NamespaceId> {
    text.parse().map_err(|_| NamespacesError::Malformed("id"))
}

#[async_trait]
impl Namespaces for NamespacesService {
    async fn reserve(
        &self,
        caller: &Caller,
        request: wire::ReserveRequest,
    ) -> std::result::Result<wire::ReserveResponse, Error> {
        caller.require_system()?;
        let row = self.reserve_for(attempt(&request.attempt)?).await?;
        Ok(wire::ReserveResponse {
            namespace: Some(row.into()),
        })
    }

    async fn provision(
        &self,
        caller: &Caller,
        request: wire::ProvisionRequest,
    ) -> std::result::Result<wire::ProvisionResponse, Error> {
        caller.require_system()?;
        let row = self.provision_one(id(&request.id)?).await?;
        Ok(wire::ProvisionResponse {
            namespace: Some(row.into()),
        })
    }

    async fn release(
        &self,
        caller: &Caller,
        request: wire::ReleaseRequest,
    ) -> std::result::Result<wire::ReleaseResponse, Error> {
        caller.require_system()?;
        self.release_of(attempt(&request.attempt)?).await?;
        Ok(wire::ReleaseResponse {})
    }

    async fn get(&self, caller: &Caller, request: wire::GetRequest) -> std::result::Result<wire::GetResponse, Error> {
        caller.require_system()?;
        let name = || NamespaceName::parse(request.name.as_str()).map_err(|_| NamespacesError::NotFound);
        let row = match request.id.as_str() {
            "" => self.find_row(None, Some(&name()?)).await?,
            text => self.find_row(Some(id(text)?), None).await?,
        };
        Ok(wire::GetResponse {
            namespace: Some(row.ok_or(NamespacesError::NotFound)?.into()),
        })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: wire::ListRequest,
    ) -> std::result::Result<wire::ListResponse, Error> {
        caller.require_system()?;
        Ok(self.list_page(&request).await?)
    }
}
