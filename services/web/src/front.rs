//! The front page, and the page that is not there.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;

use crate::{Web, views};

#[derive(Serialize)]
struct Front<'f> {
    price: Option<&'f str>,
    proxy: &'f str,
    mailbox: bool,
}

/// `GET /`
pub(crate) async fn show(State(web): State<Web>) -> Response {
    let front = Front {
        price: web.config.price.as_deref(),
        proxy: &web.config.proxy_address,
        mailbox: web.ports.mailbox.is_some(),
    };
    views::page(StatusCode::OK, "front.html", &front)
}

/// Everything else.
pub(crate) async fn not_found() -> Response {
    views::missing()
}
