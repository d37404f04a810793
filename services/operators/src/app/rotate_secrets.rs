//! Seals the secrets of every namespace under the key in use, so that the keys before it can be given up.

use std::collections::VecDeque;

use futures::{Stream, stream};
use micro_domain::{Namespace, NamespaceName, OperatorId};
use micro_error::{Error, Kind};
use micro_proto::{namespaces, operators::RotateSecretsProgress};
use micro_tenancy::SystemTask;

use super::OperatorsService;
use crate::{OperatorsError, store::Deed};

/// Namespaces that are listed at once.
const PAGE: u32 = 100;

impl OperatorsService {
    /// Goes through the namespaces as the answer is read: one that fails is told of, and the rest goes on. The audit
    /// log says that it began and, with what came of it, that it ended.
    pub(crate) async fn rotate_secrets(
        &self,
        operator: OperatorId,
        reason: &str,
        cursor: String,
    ) -> Result<impl Stream<Item = Result<RotateSecretsProgress, Error>> + Send + 'static, Error> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(OperatorsError::NoReason.into());
        }
        self.record_deed(Deed {
            operator: Some(operator),
            action: "secrets.rotate",
            target: if cursor.is_empty() { "all" } else { &cursor },
            reason,
        })
        .await?;
        let rotation = Rotation {
            service: self.clone(),
            operator,
            waiting: VecDeque::new(),
            next: Some(cursor),
            here: String::new(),
            tally: Tally::default(),
        };
        Ok(stream::try_unfold(rotation, |mut rotation| async move {
            let told = rotation.step().await?;
            Ok(told.map(|told| (told, rotation)))
        }))
    }
}

/// How far a run is.
struct Rotation {
    service: OperatorsService,
    operator: OperatorId,
    waiting: VecDeque<namespaces::Namespace>,
    /// The page after this one, if there is one.
    next: Option<String>,
    /// This page.
    here: String,
    tally: Tally,
}

/// What came of a run.
#[derive(Default)]
struct Tally {
    namespaces: u64,
    sealed: u64,
    failed: u64,
}

impl Rotation {
    /// One namespace further; none at the end.
    async fn step(&mut self) -> Result<Option<RotateSecretsProgress>, Error> {
        while self.waiting.is_empty() {
            let Some(cursor) = self.next.take() else {
                self.end().await?;
                return Ok(None);
            };
            self.read_page(cursor).await?;
        }
        let Some(namespace) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let done = self.rotate(&namespace).await;
        self.tally.namespaces += 1;
        let (sealed, error) = match done {
            Ok(sealed) => (sealed, String::new()),
            Err(error) => {
                self.tally.failed += 1;
                (0, told(&error))
            }
        };
        self.tally.sealed += sealed;
        Ok(Some(RotateSecretsProgress {
            namespace_id: namespace.id,
            namespace: namespace.name,
            sealed,
            error,
            cursor: self.here.clone(),
        }))
    }

    async fn read_page(&mut self, cursor: String) -> Result<(), Error> {
        let request = namespaces::ListRequest {
            limit: PAGE,
            cursor: cursor.clone(),
        };
        let service = &self.service;
        let page = service.ports.namespaces.list(&service.system(), request).await?;
        self.here = cursor;
        self.waiting = page.namespaces.into();
        self.next = Some(page.next_cursor).filter(|next| !next.is_empty());
        Ok(())
    }

    async fn rotate(&self, namespace: &namespaces::Namespace) -> Result<u64, Error> {
        let malformed = OperatorsError::Malformed("a stored namespace");
        let (Ok(id), Ok(name)) = (namespace.id.parse(), NamespaceName::parse(namespace.name.as_str())) else {
            return Err(malformed.into());
        };
        let service = &self.service;
        let tenant = service.authority.enter(SystemTask::Operators, Namespace { id, name });
        service.ports.secrets.rotate(&tenant).await
    }

    async fn end(&self) -> Result<(), OperatorsError> {
        let Tally {
            namespaces,
            sealed,
            failed,
        } = self.tally;
        self.service
            .record_deed(Deed {
                operator: Some(self.operator),
                action: "secrets.rotated",
                target: &format!("{namespaces} namespaces, {sealed} secrets, {failed} failed"),
                reason: "",
            })
            .await
    }
}

/// What an operator may read of a failure: a missing key is named; what broke inside goes to the log.
fn told(error: &Error) -> String {
    if error.kind() == Kind::Internal {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "secrets of a namespace were not sealed anew"
        );
    }
    error.message().to_owned()
}
