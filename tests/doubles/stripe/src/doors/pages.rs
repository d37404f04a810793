//! The hosted pages: a card is typed in, 3-D Secure is passed or failed. Plain HTML, no scripts.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::{Form, Path, State as Shared},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::Value;
use tera::{Context, Tera};
use time::OffsetDateTime;
use url::Url;

use crate::{
    cards,
    error::Refusal,
    objects::{checkout, payment_method, setup_intent},
    server::Server,
    state::State,
};

/// The pages' templates.
pub fn templates() -> anyhow::Result<Tera> {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("frame.html", include_str!("../../templates/frame.html")),
        ("pay.html", include_str!("../../templates/pay.html")),
        ("authenticate.html", include_str!("../../templates/authenticate.html")),
        ("closed.html", include_str!("../../templates/closed.html")),
    ])?;
    Ok(tera)
}

/// `GET /c/style.css`
pub async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../templates/style.css"),
    )
        .into_response()
}

/// What is typed in. It has no `Debug`: nothing of it may be printed.
#[derive(Deserialize)]
pub struct Typed {
    #[serde(default)]
    number: String,
    #[serde(default)]
    expiry: String,
    #[serde(default)]
    cvc: String,
}

/// `GET /c/pay/{session}`
pub async fn show(Shared(server): Shared<Arc<Server>>, Path(id): Path<String>) -> Response {
    let state = server.caught_up();
    match session(&state, &id) {
        Ok(body) => {
            // A card that failed 3-D Secure brings its holder back here.
            let notice = state.objects[&checkout::intent(&state, &id)].body["last_setup_error"]["message"]
                .as_str()
                .map(str::to_owned);
            card_page(&server, &state, &body, StatusCode::OK, notice.as_deref(), "")
        }
        Err(closed) => closed_page(&server, closed),
    }
}

/// `POST /c/pay/{session}`
pub async fn pay(Shared(server): Shared<Arc<Server>>, Path(id): Path<String>, Form(typed): Form<Typed>) -> Response {
    let mut state = server.caught_up();
    let now = server.now_of(&state);
    let body = match session(&state, &id) {
        Ok(body) => body,
        Err(closed) => return closed_page(&server, closed),
    };
    let outcome = try_card(&mut state, now, &id, &typed, server.url());
    server.changed(&state, true);
    match outcome {
        Ok(to) => redirect(&to, &body),
        Err((field, refusal)) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            card_page(&server, &state, &body, status, refusal.error["message"].as_str(), field)
        }
    }
}

/// Where to go next, or the field to look at and why.
fn try_card(
    state: &mut State,
    now: i64,
    id: &str,
    typed: &Typed,
    base: &str,
) -> Result<String, (&'static str, Refusal)> {
    let wrong = |field, code, message: &str| (field, Refusal::state(code, message));
    let card = cards::by_number(&typed.number)
        .ok_or_else(|| wrong("number", "incorrect_number", "Your card number is incorrect."))?;
    let expiry =
        expiry(&typed.expiry).ok_or_else(|| wrong("expiry", "invalid_expiry", "Enter the expiry date as MM / YY."))?;
    if is_past(expiry, now) {
        return Err(wrong(
            "expiry",
            "invalid_expiry_year",
            "Your card's expiration date is in the past.",
        ));
    }
    let digits = typed.cvc.trim();
    if !(3..=4).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong(
            "cvc",
            "incomplete_cvc",
            "Your card's security code is incomplete.",
        ));
    }
    let method = payment_method::make(state, now, card, expiry);
    let method = method["id"].as_str().unwrap_or_default();
    let intent = checkout::intent(state, id);
    let back = format!("{base}/c/pay/{id}");
    let body =
        setup_intent::confirm(state, now, &intent, method, Some(&back), base).map_err(|refused| ("number", refused))?;
    if let Some(url) = body["next_action"]["redirect_to_url"]["url"].as_str() {
        return Ok(url.to_owned());
    }
    let done = checkout::complete(state, now, id).map_err(|refused| ("number", refused))?;
    Ok(success_url(&done))
}

fn success_url(session: &Value) -> String {
    let id = session["id"].as_str().unwrap_or_default();
    session["success_url"]
        .as_str()
        .unwrap_or_default()
        .replace("{CHECKOUT_SESSION_ID}", id)
}

/// `12 / 34`, `12/2034`, `1234`.
fn expiry(typed: &str) -> Option<(i64, i64)> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let clean = typed
        .chars()
        .all(|c| c.is_ascii_digit() || c == '/' || c == '-' || c.is_whitespace());
    let (month, year) = digits.split_at_checked(2).filter(|_| clean)?;
    let year: i64 = match year.len() {
        2 => 2_000 + year.parse::<i64>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    let month = month.parse().ok().filter(|m| (1..=12).contains(m))?;
    Some((month, year))
}

fn is_past((month, year): (i64, i64), now: i64) -> bool {
    OffsetDateTime::from_unix_timestamp(now)
        .is_ok_and(|t| (year, month) < (i64::from(t.year()), i64::from(u8::from(t.month()))))
}

/// What the holder answers their bank.
#[derive(Deserialize)]
pub struct Challenge {
    outcome: String,
}

/// `GET /c/3ds/{intent}`
pub async fn ask(Shared(server): Shared<Arc<Server>>, Path(id): Path<String>) -> Response {
    let state = server.lock();
    let Some(body) = waiting(&state, &id) else {
        return closed_page(&server, Closed::Unknown);
    };
    let mut context = Context::new();
    context.insert("action", &format!("/c/3ds/{id}"));
    render(
        &server,
        "authenticate.html",
        &context,
        StatusCode::OK,
        &targets(&state, &id, &body),
    )
}

/// `POST /c/3ds/{intent}`
pub async fn answer(
    Shared(server): Shared<Arc<Server>>,
    Path(id): Path<String>,
    Form(given): Form<Challenge>,
) -> Response {
    let mut state = server.caught_up();
    let now = server.now_of(&state);
    let Some(body) = waiting(&state, &id) else {
        return closed_page(&server, Closed::Unknown);
    };
    let passed = given.outcome == "complete";
    let outcome = match passed {
        true => setup_intent::succeed(&mut state, now, &id),
        false => Err(setup_intent::fail(
            &mut state,
            now,
            &id,
            setup_intent::unauthenticated(),
        )),
    };
    let back = body["next_action"]["redirect_to_url"]["return_url"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let to = match checkout::of_intent(&state, &id) {
        Some(session) if outcome.is_ok() => {
            checkout::complete(&mut state, now, &session).map_or(back, |done| success_url(&done))
        }
        Some(_) => back,
        None => returned(&back, &body, if outcome.is_ok() { "succeeded" } else { "failed" }),
    };
    let targets = targets(&state, &id, &body);
    server.changed(&state, true);
    guard(Redirect::to(&to).into_response(), &targets)
}

fn waiting(state: &State, id: &str) -> Option<Value> {
    let body = &state.find("setup_intent", id)?.body;
    (body["status"] == "requires_action").then(|| body.clone())
}

/// Addresses that the challenge's form may lead to.
fn targets(state: &State, id: &str, body: &Value) -> Vec<String> {
    let session = checkout::of_intent(state, id)
        .map(|s| state.objects[&s].body.clone())
        .unwrap_or_default();
    let back = &body["next_action"]["redirect_to_url"]["return_url"];
    [&session["success_url"], &session["cancel_url"], back]
        .into_iter()
        .filter_map(|u| u.as_str().map(str::to_owned))
        .collect()
}

fn returned(back: &str, intent: &Value, status: &str) -> String {
    let Ok(mut url) = Url::parse(back) else {
        return "/".into();
    };
    url.query_pairs_mut()
        .append_pair("setup_intent", intent["id"].as_str().unwrap_or_default())
        .append_pair(
            "setup_intent_client_secret",
            intent["client_secret"].as_str().unwrap_or_default(),
        )
        .append_pair("redirect_status", status);
    url.into()
}

/// Why there is no card to be typed in here.
enum Closed {
    Unknown,
    Complete(String),
    Expired(Option<String>),
}

fn session(state: &State, id: &str) -> Result<Value, Closed> {
    let body = &state.find("checkout.session", id).ok_or(Closed::Unknown)?.body;
    match body["status"].as_str() {
        Some("complete") => Err(Closed::Complete(success_url(body))),
        Some("expired") => Err(Closed::Expired(body["cancel_url"].as_str().map(str::to_owned))),
        _ => Ok(body.clone()),
    }
}

fn card_page(
    server: &Server,
    state: &State,
    body: &Value,
    status: StatusCode,
    notice: Option<&str>,
    field: &str,
) -> Response {
    let id = body["id"].as_str().unwrap_or_default();
    let customer = body["customer"]
        .as_str()
        .and_then(|c| state.objects.get(c))
        .map(|c| c.body["email"].clone());
    let email = customer.unwrap_or_else(|| body["customer_email"].clone());
    let mut context = Context::new();
    context.insert("action", &format!("/c/pay/{id}"));
    context.insert("cancel_url", body["cancel_url"].as_str().unwrap_or_default());
    context.insert("email", email.as_str().unwrap_or_default());
    context.insert("buys", &(body["mode"] == "subscription"));
    context.insert("notice", notice.unwrap_or_default());
    context.insert("field", field);
    let targets: Vec<_> = [&body["success_url"], &body["cancel_url"]]
        .into_iter()
        .filter_map(|u| u.as_str().map(str::to_owned))
        .collect();
    render(server, "pay.html", &context, status, &targets)
}

fn closed_page(server: &Server, closed: Closed) -> Response {
    let (status, title, text, link) = match closed {
        Closed::Unknown => (StatusCode::NOT_FOUND, "Page not found", "This link is not valid.", None),
        Closed::Complete(to) => (StatusCode::OK, "All done", "Your card has been saved.", Some(to)),
        Closed::Expired(to) => (
            StatusCode::GONE,
            "This page has expired",
            "Go back and start again.",
            to,
        ),
    };
    let mut context = Context::new();
    context.insert("title", title);
    context.insert("text", text);
    context.insert("link", &link.unwrap_or_default());
    render(server, "closed.html", &context, status, &[])
}

fn redirect(to: &str, session: &Value) -> Response {
    let targets: Vec<_> = [&session["success_url"]]
        .into_iter()
        .filter_map(|u| u.as_str().map(str::to_owned))
        .collect();
    guard(Redirect::to(to).into_response(), &targets)
}

fn render(server: &Server, name: &str, context: &Context, status: StatusCode, targets: &[String]) -> Response {
    match server.templates.render(name, context) {
        Ok(html) => guard((status, Html(html)).into_response(), targets),
        Err(error) => {
            tracing::error!(%error, template = name, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// No scripts, no frames, no caching; forms lead back here or to the session's own addresses (browsers hold
/// redirects after a form to `form-action` too).
fn guard(mut response: Response, targets: &[String]) -> Response {
    let mut policy =
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'".to_owned();
    let origins = targets
        .iter()
        .filter_map(|t| Url::parse(t).ok())
        .map(|u| u.origin())
        .filter(|o| o.is_tuple());
    for origin in origins.map(|o| o.ascii_serialization()).collect::<BTreeSet<_>>() {
        policy.push(' ');
        policy.push_str(&origin);
    }
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_dates_are_read_as_people_write_them() {
        for typed in ["12 / 34", "12/34", "1234", "12-2034"] {
            assert_eq!(expiry(typed), Some((12, 2034)), "{typed}");
        }
        for typed in ["", "1", "13/34", "00/34", "ab/cd", "12/3"] {
            assert_eq!(expiry(typed), None, "{typed}");
        }
        assert!(is_past((12, 2025), 1_767_225_600));
        assert!(!is_past((1, 2026), 1_767_225_600));
    }
}
