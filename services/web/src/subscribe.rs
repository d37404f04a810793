//! What is bought, for whom and at what price; to the card page and back.

use axum::{
    Form,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use micro_error::{Error, Kind};
use micro_proto::signup::{FinishPageRequest, MailLinkRequest, Page, ReadLinkRequest, StartPageRequest};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    Web, headers,
    views::{self, Said},
};

#[derive(Serialize)]
struct Shown<'p> {
    link: &'p str,
    email: &'p str,
    price: &'p str,
    message: &'p str,
    payment_token: &'p str,
    cancelled: bool,
    good_until: String,
}

/// What a page of ours or the provider's adds to the address.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Came {
    session: String,
    cancelled: Option<String>,
}

/// What older clients and our own form say.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Asked {
    email: String,
}

/// `GET /subscribe`: where older clients send people. Without a link there is nothing to pay for.
pub(crate) async fn explain(Query(asked): Query<Asked>) -> Response {
    views::page(StatusCode::OK, "explain.html", &asked)
}

/// `POST /subscribe`: mails the right link to whom it belongs, if there is one. The answer is always the same.
pub(crate) async fn mail_link(State(web): State<Web>, headers: HeaderMap, Form(asked): Form<Asked>) -> Response {
    if !headers::is_own_form(&web, &headers) {
        return refused();
    }
    match web
        .ports
        .pages
        .mail_link(&web.ports.caller, MailLinkRequest { email: asked.email })
        .await
    {
        Ok(_) => {
            let lines = ["If a sign-up of that address is waiting for a card, its link is on its way there."];
            views::say(
                StatusCode::OK,
                &Said {
                    heading: "Look into your mailbox",
                    lines: &lines,
                    command: "",
                },
            )
        }
        Err(e) if e.kind() == Kind::Invalid => {
            let lines = [e.message(), "Please go back and look at what you typed."];
            views::say(
                StatusCode::BAD_REQUEST,
                &Said {
                    heading: "That is not an address",
                    lines: &lines,
                    command: "",
                },
            )
        }
        Err(e) => failed(&e),
    }
}

fn refused() -> Response {
    let lines = ["This form was sent from another site. Open the link from your terminal instead."];
    views::say(
        StatusCode::FORBIDDEN,
        &Said {
            heading: "Refused",
            lines: &lines,
            command: "",
        },
    )
}

/// `GET /subscribe/{link}`
pub(crate) async fn show(State(web): State<Web>, Path(link): Path<String>, Query(came): Query<Came>) -> Response {
    let cancelled = came.cancelled.is_some();
    match web
        .ports
        .pages
        .read_link(&web.ports.caller, ReadLinkRequest { link: link.clone() })
        .await
    {
        Ok(page) => render(&link, &page, cancelled),
        Err(e) => failed(&e),
    }
}

/// `POST /subscribe/{link}`: on to the provider's page.
pub(crate) async fn start(State(web): State<Web>, Path(link): Path<String>, asked: HeaderMap) -> Response {
    if !headers::is_own_form(&web, &asked) {
        return refused();
    }
    match web
        .ports
        .pages
        .start_checkout(&web.ports.caller, StartPageRequest { link: link.clone() })
        .await
    {
        Ok(page) => Redirect::to(&page.url).into_response(),
        // The attempt has moved on meanwhile: its page says where it is.
        Err(e) if e.kind() == Kind::Conflict => back_to(&link),
        Err(e) => failed(&e),
    }
}

/// `GET /subscribe/{link}/return`: back from the provider's page.
pub(crate) async fn finish(State(web): State<Web>, Path(link): Path<String>, Query(came): Query<Came>) -> Response {
    let session = came.session;
    match web
        .ports
        .pages
        .finish_checkout(
            &web.ports.caller,
            FinishPageRequest {
                link: link.clone(),
                session,
            },
        )
        .await
    {
        Ok(_) => back_to(&link),
        Err(e) => failed(&e),
    }
}

fn back_to(link: &str) -> Response {
    let safe = link
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if safe {
        Redirect::to(&format!("/subscribe/{link}")).into_response()
    } else {
        views::missing()
    }
}

fn failed(e: &Error) -> Response {
    match e.kind() {
        Kind::NotFound | Kind::Invalid => views::missing(),
        Kind::TooMany => {
            let lines = ["That was a lot of tries in a short time. Please wait a few minutes."];
            views::say(
                StatusCode::TOO_MANY_REQUESTS,
                &Said {
                    heading: "One moment",
                    lines: &lines,
                    command: "",
                },
            )
        }
        Kind::Unavailable | Kind::Timeout => views::sorry(StatusCode::SERVICE_UNAVAILABLE),
        _ => {
            tracing::error!(error = ?e, "a page failed");
            views::sorry(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn render(link: &str, page: &Page, cancelled: bool) -> Response {
    let shown = Shown {
        link,
        email: &page.email,
        price: &page.price,
        message: &page.message,
        payment_token: &page.payment_token,
        cancelled,
        good_until: written(page.expires_at),
    };
    let (status, heading, lines, command): (_, _, &[&str], _) = match page.state.as_str() {
        "verified" | "payment_pending" => return views::page(StatusCode::OK, "subscribe.html", &shown),
        "card_stored" => return views::page(StatusCode::OK, "stored.html", &shown),
        "paying" | "provisioning" => (
            StatusCode::OK,
            "Your namespace is being made",
            &["The terminal says when it is ready. There is nothing more to do here."],
            "",
        ),
        "ready" => (
            StatusCode::OK,
            "You are subscribed",
            &["Your namespace is ready. The terminal has it."],
            "micro run .",
        ),
        "refunded" => (
            StatusCode::GONE,
            "Your payment was refunded",
            &[
                "We could not get your namespace ready in time. That is our fault: the subscription has ended and \
                 the money is on its way back. Please sign up again.",
            ],
            "micro signup",
        ),
        _ => (
            StatusCode::GONE,
            "This link has expired",
            &["A subscribe page is good for 24 hours. Nothing was charged. Please sign up again."],
            "micro signup",
        ),
    };
    views::say(
        status,
        &Said {
            heading,
            lines,
            command,
        },
    )
}

fn written(seconds: i64) -> String {
    let form = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_default()
}
