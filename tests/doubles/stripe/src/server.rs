//! The server itself: what its doors share, how it starts and stops.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use anyhow::Context as _;
use axum::{
    Router,
    routing::{get, post},
};
use micro_clock::Clock;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::{
    delivery,
    doors::{admin, api, pages},
    objects::{price, webhook_endpoint},
    persist,
    state::State,
    work,
};

/// How the double is set up.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The address browsers reach it under, if that differs from where it listens.
    pub public_url: Option<String>,
    /// Keep state in this file; without it, state dies with the server.
    pub state: Option<PathBuf>,
    /// Send events to this address, signed with this secret.
    pub webhook: Option<(String, String)>,
    /// The id of the price of $35 a month, made if it is not there.
    pub price: Option<String>,
    /// The machine's time; the account's clock can be moved ahead of it.
    pub clock: Arc<dyn Clock>,
    /// How long a delivery waits before its second try, in milliseconds; doubled for each further one.
    pub retry_milliseconds: u64,
}

impl Options {
    /// A free port of this machine, nothing kept, no webhook, no price.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            state: None,
            webhook: None,
            price: None,
            clock,
            retry_milliseconds: 1_000,
        }
    }
}

/// What the doors share.
pub struct Server {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    file: Option<PathBuf>,
    url: String,
    pub retry_milliseconds: u64,
    pub wake: Notify,
    releases: watch::Sender<u64>,
    pub templates: tera::Tera,
}

impl Server {
    /// The account.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The account, after everything that is due by now has been done.
    pub fn caught_up(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let now = self.now_of(&state);
        if work::run_due(&mut state, now) {
            self.changed(&state, true);
        }
        state
    }

    /// The account's time.
    pub fn now_of(&self, state: &State) -> i64 {
        self.clock.now().unix_timestamp() + state.ahead
    }

    /// Where browsers find it; no slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Keeps what changed and lets events go out.
    pub fn changed(&self, state: &State, wrote: bool) {
        if let (true, Some(file)) = (wrote, &self.file)
            && let Err(error) = persist::save(file, state)
        {
            tracing::error!(%error, "the state was not saved");
        }
        self.wake.notify_one();
    }

    /// What a call that stalls waits on: subscribed to before anybody can see that it stalls.
    pub fn releases(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    /// Lets every stalled call go on.
    pub fn release(&self) {
        self.releases.send_modify(|n| *n += 1);
    }
}

/// A running double. It stops when dropped.
pub struct Double {
    address: SocketAddr,
    server: Arc<Server>,
    tasks: Vec<JoinHandle<()>>,
}

impl Double {
    /// Starts serving.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listening on {}", options.listen))?;
        let address = listener.local_addr()?;
        let mut state = match &options.state {
            Some(file) => persist::load(file)?,
            None => State::default(),
        };
        let now = options.clock.now().unix_timestamp() + state.ahead;
        // A call that was under way when the last process died never answered: its key is free again.
        state.replies.retain(|_, reply| reply.answer.is_some());
        let cut_short = std::mem::take(&mut state.under_way);
        state.deliveries.extend(cut_short);
        if let Some(id) = &options.price {
            price::ensure_developer(&mut state, id, now);
        }
        if let Some((url, secret)) = &options.webhook {
            webhook_endpoint::ensure(&mut state, url, secret, now);
        }
        let server = Arc::new(Server {
            state: Mutex::new(state),
            clock: options.clock,
            file: options.state,
            url: options.public_url.map_or_else(
                || format!("http://{address}"),
                |url| url.trim_end_matches('/').to_owned(),
            ),
            retry_milliseconds: options.retry_milliseconds,
            wake: Notify::new(),
            releases: watch::Sender::new(0),
            templates: pages::templates()?,
        });
        server.changed(&server.lock(), true);
        let app = router(server.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "serving ended");
            }
        });
        let delivering = tokio::spawn(delivery::run(server.clone()));
        Ok(Self {
            address,
            server,
            tasks: vec![serving, delivering],
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where browsers and clients find it; no slash at the end.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Stops serving; what is to be kept has been saved after each change.
    pub async fn stop(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            drop(task.await);
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/c/style.css", get(pages::style))
        .route("/c/pay/{session}", get(pages::show).post(pages::pay))
        .route("/c/3ds/{intent}", get(pages::ask).post(pages::answer))
        .route("/_double/books", get(admin::books))
        .route("/_double/clock", get(admin::clock).post(admin::advance))
        .route(
            "/_double/faults",
            get(admin::faults).post(admin::add_fault).delete(admin::clear_faults),
        )
        .route("/_double/release", post(admin::release))
        .route("/_double/webhooks", get(admin::webhooks).post(admin::set_webhooks))
        .route("/_double/webhooks/resend", post(admin::resend))
        .route("/_double/webhooks/roll", post(admin::roll))
        .fallback(api::serve)
        .with_state(server)
}
