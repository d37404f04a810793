//! A service's life: listening, registered, there again when the server was away, and gone in peace.

use std::{collections::BTreeMap, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time};
use uuid::Uuid;

use crate::{
    Context, Error, Service, Settings,
    client::Client,
    debug::Debug,
    identity::Identity,
    log,
    server::{self, Door},
};

/// The registry forgets a node that has not said so again for this long.
const TTL: Duration = Duration::from_secs(90);
/// How often it says so.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a first registration is tried before the service gives up, and how long apart; the pause is also what
/// a service waits for a server that it lost.
const REGISTER: (u32, Duration) = (20, Duration::from_millis(250));
/// How long requests in flight may take to finish once the service is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

impl Service {
    pub(crate) async fn live(
        self,
        settings: Settings,
        told: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Result<(), Error> {
        let namespace = settings.namespace;
        let identity = Identity::new(settings.account, namespace.clone());
        let debug = Arc::new(Debug::new());
        let client = Client::new(settings.proxy, namespace.clone(), identity, debug.clone());
        let listener = TcpListener::bind(&settings.address).await?;
        let address = listener.local_addr()?;
        let registration = self.registration(&namespace, address);

        let name: Arc<str> = self.name.into();
        let door = Door {
            name: name.clone(),
            handlers: self.handlers,
            client: client.clone(),
            debug,
        };
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(server::serve(listener, Arc::new(door), stopping.clone()));
        let mut listening: JoinSet<()> = JoinSet::new();
        let stays = async {
            register(&client, &registration).await.map_err(explain)?;
            log::info(
                "Registered",
                &[("service", &name), ("address", &address), ("namespace", &namespace)],
            );
            for start in self.listeners {
                let context = Context::new(name.clone(), BTreeMap::new(), client.clone());
                listening.spawn(start(context, stopping.clone()));
            }
            stay_registered(&client, &registration).await;
            Ok::<(), Error>(())
        };
        tokio::select! {
            ended = stays => ended?,
            () = told => (),
        }
        // First, so that nothing new comes here while the rest ends.
        let left: Result<Value, _> = client.core("registry", "Registry.Deregister", &registration).await;
        if let Err(e) = left {
            log::warn("Deregistering failed", &[("error", &e)]);
        }
        stop.send_replace(true);
        let ended = async {
            while listening.join_next().await.is_some() {}
            served.await.ok();
        };
        if time::timeout(DRAIN, ended).await.is_err() {
            log::warn("Stopped before all was done", &[("after", &format!("{DRAIN:?}"))]);
        }
        Ok(())
    }

    fn registration(&self, namespace: &str, address: SocketAddr) -> Value {
        let metadata: BTreeMap<_, _> = [
            ("broker", "service"),
            ("protocol", "grpc"),
            ("registry", "service"),
            ("server", "grpc"),
            ("transport", "grpc"),
        ]
        .into();
        json!({
            "name": self.name,
            "version": self.version,
            "endpoints": self.endpoints,
            "nodes": [{
                "id": format!("{}-{}", self.name, Uuid::new_v4()),
                "address": address.to_string(),
                "metadata": metadata,
            }],
            "options": { "ttl": TTL.as_secs().to_string(), "domain": namespace },
        })
    }
}

/// The core may be starting too: the first registration is tried for a few seconds.
async fn register(client: &Client, registration: &Value) -> Result<(), Error> {
    let (tries, pause) = REGISTER;
    for left in (0..tries).rev() {
        match client
            .core::<Value>("registry", "Registry.Register", registration)
            .await
        {
            Ok(_) => return Ok(()),
            Err(e) if left == 0 || (400..408).contains(&e.code) => return Err(e),
            Err(_) => time::sleep(pause).await,
        }
    }
    Ok(())
}

/// To somebody who has just started a service by hand, what is missing.
fn explain(mut e: Error) -> Error {
    match e.code {
        401 => e.detail.push_str(
            ". `micro run` gives a service an account; started by hand it needs one in MICRO_AUTH_ID and MICRO_AUTH_SECRET",
        ),
        503 => e.detail.push_str(". Is `micro server` running there? MICRO_PROXY says where it is"),
        _ => {}
    }
    e
}

/// Says again and again that the service is there. A server that was lost may have forgotten it: it is told as soon
/// as it is back.
async fn stay_registered(client: &Client, registration: &Value) {
    let (mut wait, mut told_so) = (HEARTBEAT, false);
    loop {
        tokio::select! {
            () = time::sleep(wait) => (),
            () = client.lost() => {
                wait = REGISTER.1;
                continue;
            }
        }
        match client
            .core::<Value>("registry", "Registry.Register", registration)
            .await
        {
            Ok(_) => (wait, told_so) = (HEARTBEAT, false),
            Err(e) => {
                if !std::mem::replace(&mut told_so, true) {
                    log::warn("Registering again failed; trying on", &[("error", &e)]);
                }
                wait = (wait * 2).clamp(REGISTER.1, HEARTBEAT / 6);
            }
        }
    }
}
