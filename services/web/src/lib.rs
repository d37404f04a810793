//! The web door: what a person meets in a browser while signing up, and the mailbox of a server without mail.
//! It holds no database: it reads attempts through `signup.Pages`.

mod assets;
mod front;
mod headers;
mod listener;
mod mailbox;
mod routes;
mod subscribe;
mod views;

use std::{any::Any, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware, response::Response, routing::MethodRouter};
use http::StatusCode;
use micro_mail::Mailbox;
use micro_proto::signup::Pages;
use micro_tenancy::Caller;
use tower_http::catch_panic::CatchPanicLayer;
use url::Url;

pub use listener::{Patient, WebListener};
pub use routes::{ROUTES, Route};

/// What the pages say of the server, and whom they trust.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Where people reach this door: forms sent from elsewhere are refused.
    pub public_url: Url,
    /// What `micro env add` takes: the command line's door.
    pub proxy_address: String,
    /// A month's price (`$35`); none where nothing is charged.
    pub price: Option<String>,
    /// Where the payment provider's card pages are (`https://checkout.stripe.com`): a form may lead there.
    pub checkout_origins: Vec<String>,
}

/// What the pages stand on.
pub struct Ports {
    /// The attempts behind the links.
    pub pages: Arc<dyn Pages>,
    /// Who asks it: the platform itself, for sign-up.
    pub caller: Caller,
    /// Letters that are shown instead of sent, where that is so.
    pub mailbox: Option<Mailbox>,
    /// What answers the payment provider.
    pub webhooks: MethodRouter,
}

#[derive(Clone)]
pub(crate) struct Web {
    config: Arc<WebConfig>,
    ports: Arc<Ports>,
}

/// Every page of this door.
pub fn router(config: WebConfig, ports: Ports) -> Router {
    let headers = headers::Headers::of(&config);
    let web = Web {
        config: Arc::new(config),
        ports: Arc::new(ports),
    };
    routes::all(&web)
        .fallback(front::not_found)
        .method_not_allowed_fallback(front::not_found)
        .with_state(web)
        .layer(DefaultBodyLimit::max(16 << 10))
        .layer(CatchPanicLayer::custom(sorry))
        .layer(middleware::map_response_with_state(headers, headers::add))
}

fn sorry(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a page panicked");
    views::sorry(StatusCode::INTERNAL_SERVER_ERROR)
}
