//! The instances that take requests now. Made before the runtime, so that registry and gateway can read it from the
//! first moment on.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use micro_domain::{InstanceId, NamespaceId};
use micro_rpc::mesh::{Connect, Instances};
use micro_sandbox::{Keeper, KeeperError};
use tokio::net::TcpStream;

/// The instances that take requests now, each with its namespace.
#[derive(Default)]
pub struct InstanceTable(RwLock<HashMap<InstanceId, (NamespaceId, Keeper)>>);

impl InstanceTable {
    pub(crate) fn serve(&self, namespace: NamespaceId, instance: InstanceId, keeper: Keeper) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(instance, (namespace, keeper));
    }

    pub(crate) fn leave_out(&self, instance: InstanceId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&instance);
    }
}

impl Instances for InstanceTable {
    fn connector(&self, namespace: NamespaceId, instance: InstanceId, port: u16) -> Option<Arc<dyn Connect>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (home, keeper) = table.get(&instance)?;
        (*home == namespace).then(|| {
            Arc::new(Inside {
                keeper: keeper.clone(),
                port,
            }) as Arc<dyn Connect>
        })
    }
}

/// A port inside an instance, whatever address the service gave itself.
pub(crate) struct Inside {
    pub(crate) keeper: Keeper,
    pub(crate) port: u16,
}

#[async_trait]
impl Connect for Inside {
    async fn connect(&self) -> io::Result<TcpStream> {
        match self.keeper.connect(self.port).await {
            Ok(stream) => TcpStream::from_std(stream),
            Err(KeeperError::Gone) => Err(io::Error::new(io::ErrorKind::NotConnected, KeeperError::Gone)),
            Err(KeeperError::Refused(e) | KeeperError::Silent(e)) => Err(e),
        }
    }

    fn key(&self) -> Option<u64> {
        Some(self.port.into())
    }
}
