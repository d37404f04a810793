//! The letters of a server that has no mail server. Mounted only where that is so, and answering only to names
//! of this machine: a page elsewhere whose name was pointed here must not read them.

use axum::{
    Json,
    extract::{Path, Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use micro_mail::Received;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use crate::{Web, views};

#[derive(Serialize)]
struct Letter<'l> {
    number: u64,
    to: &'l str,
    subject: &'l str,
    at: String,
    text: &'l str,
}

impl<'l> Letter<'l> {
    fn of(received: &'l Received) -> Self {
        let letter = &received.letter;
        Self {
            number: received.number,
            to: letter.to().as_str(),
            subject: letter.subject(),
            at: received
                .at
                .replace_nanosecond(0)
                .unwrap_or(received.at)
                .format(&Rfc3339)
                .unwrap_or_default(),
            text: letter.text(),
        }
    }
}

#[derive(Serialize)]
struct Letters<'l> {
    letters: Vec<Letter<'l>>,
}

pub(crate) async fn only_here(State(web): State<Web>, request: Request, next: Next) -> Response {
    if is_here(&web, request.headers()) {
        next.run(request).await
    } else {
        views::missing()
    }
}

fn is_here(web: &Web, asked: &HeaderMap) -> bool {
    let host = asked
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || web.config.public_url.host_str() == Some(name)
}

fn kept(web: &Web) -> Vec<std::sync::Arc<Received>> {
    web.ports
        .mailbox
        .as_ref()
        .map(|mailbox| mailbox.letters())
        .unwrap_or_default()
}

fn find(web: &Web, number: u64) -> Option<std::sync::Arc<Received>> {
    web.ports.mailbox.as_ref()?.find_letter(number)
}

/// `GET /mailbox`
pub(crate) async fn list(State(web): State<Web>) -> Response {
    let kept = kept(&web);
    views::page(
        StatusCode::OK,
        "mailbox.html",
        &Letters {
            letters: kept.iter().map(|r| Letter::of(r)).collect(),
        },
    )
}

/// `GET /mailbox.json`: the same for scripts.
pub(crate) async fn list_json(State(web): State<Web>) -> Response {
    let kept = kept(&web);
    Json(Letters {
        letters: kept.iter().map(|r| Letter::of(r)).collect(),
    })
    .into_response()
}

/// `GET /mailbox/{number}`
pub(crate) async fn show(State(web): State<Web>, Path(number): Path<u64>) -> Response {
    match find(&web, number) {
        Some(received) => views::page(StatusCode::OK, "letter.html", &Letter::of(&received)),
        None => views::missing(),
    }
}

/// `GET /mailbox/{number}/html`: as it would look, in a frame that may do nothing.
pub(crate) async fn show_html(State(web): State<Web>, Path(number): Path<u64>) -> Response {
    let Some(received) = find(&web, number) else {
        return views::missing();
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'; base-uri 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        // Browsers show nothing in a sandboxed frame that asks for a context group of its own.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("unsafe-none"),
        ),
    ];
    (headers, Html(received.letter.html().to_owned())).into_response()
}
