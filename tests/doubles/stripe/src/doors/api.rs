//! Stripe's transport: keys, versions, request ids, idempotency, parameters, and faults on the way.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use hmac::digest::Digest as _;
use serde_json::Value;
use sha2::Sha256;

use crate::{
    API_VERSION,
    error::Refusal,
    faults::Kind,
    objects::{self, Op, Route, STRIPES},
    params::Params,
    server::Server,
    state::{Reply, letters},
};

const BODY_LIMIT: usize = 1 << 20;

/// One request, read and checked, that can be executed by itself.
struct Call {
    route: &'static Route,
    path: String,
    params: Params,
    key: Option<String>,
    fingerprint: String,
    request: String,
}

/// What goes back.
enum Outcome {
    Answer {
        status: u16,
        body: Value,
        replayed: bool,
        executed: bool,
    },
    Broken,
    Never,
}

/// Everything under `/v1`, and whatever no other door wants.
pub async fn serve(Shared(server): Shared<Arc<Server>>, request: Request) -> Response {
    let id = format!("req_{}", letters::<14>());
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await;
    let (method, path) = (head.method.as_str().to_owned(), head.uri.path().to_owned());
    let key = text(&head.headers, "idempotency-key").map(str::to_owned);
    let outcome = match read(&head, body.ok(), &id, key.clone()) {
        Ok(call) => {
            let server = server.clone();
            // Executed to its end even if the client hangs up: that is what makes outcomes unknown.
            let run = tokio::spawn(async move { execute(&server, call).await });
            run.await.unwrap_or_else(|_| refuse(&Refusal::fault(500)))
        }
        Err(refusal) => refuse(&refusal),
    };
    let mut response = match outcome {
        Outcome::Never => std::future::pending().await,
        Outcome::Broken => {
            let broken = futures::stream::once(async {
                Err::<Bytes, _>(std::io::Error::other("a fault that a test asked for"))
            });
            Response::new(Body::from_stream(broken))
        }
        Outcome::Answer {
            status, body, replayed, ..
        } => {
            tracing::info!(request.id = %id, %method, %path, status, replayed, "answered");
            let mut response = Response::new(Body::from(body.to_string()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if replayed {
                response
                    .headers_mut()
                    .insert("idempotent-replayed", HeaderValue::from_static("true"));
            }
            if status >= 400 {
                let again = matches!(status, 409 | 429 | 500..);
                response.headers_mut().insert(
                    "stripe-should-retry",
                    HeaderValue::from_static(if again { "true" } else { "false" }),
                );
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    for (name, value) in [("request-id", Some(id)), ("idempotency-key", key)] {
        if let Some(value) = value.and_then(|v| HeaderValue::from_str(&v).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn refuse(refusal: &Refusal) -> Outcome {
    Outcome::Answer {
        status: refusal.status,
        body: refusal.body(),
        replayed: false,
        executed: refusal.executed,
    }
}

/// From bytes to a call, or the refusal that comes before anything is executed.
fn read(
    head: &axum::http::request::Parts,
    body: Option<Bytes>,
    id: &str,
    key: Option<String>,
) -> Result<Call, Refusal> {
    let (method, path) = (head.method.as_str(), head.uri.path());
    let secret = text(&head.headers, "authorization")
        .and_then(|a| a.strip_prefix("Bearer "))
        .unwrap_or_default();
    let publishable = secret.starts_with("pk_test_");
    if !publishable && !secret.starts_with("sk_test_") {
        return Err(Refusal::unauthorized());
    }
    if let Some(version) = text(&head.headers, "stripe-version").filter(|v| *v != API_VERSION) {
        return Err(Refusal::not_modelled(&format!("API version {version}")));
    }
    let route = find(method, path)?;
    let body = body.ok_or_else(|| Refusal::invalid("request_too_large", "body", "The request body is too large."))?;
    let form = text(&head.headers, "content-type").is_none_or(|t| t.starts_with("application/x-www-form-urlencoded"));
    if !body.is_empty() && !form {
        return Err(Refusal::invalid(
            "invalid_content_type",
            "body",
            "Invalid request: use application/x-www-form-urlencoded.",
        ));
    }
    let sent = String::from_utf8_lossy(&body);
    let params = Params::parse(head.uri.query().unwrap_or_default()).and(Params::parse(&sent));
    params.only(
        route.allowed,
        route.operation.ends_with(".list") || route.operation.ends_with(".payment_methods"),
    )?;
    let by_holder = matches!(route.operation, "setup_intents.retrieve" | "setup_intents.confirm")
        && params.text("client_secret").is_some();
    if publishable && !by_holder {
        return Err(Refusal::unauthorized());
    }
    let key = key.filter(|_| method == "POST");
    if key.as_ref().is_some_and(|k| k.is_empty() || k.len() > 255) {
        return Err(Refusal::idempotency(400, "Idempotency keys have 1 to 255 characters."));
    }
    let seen = format!("{method} {path} {:?}", params.fingerprint());
    Ok(Call {
        route,
        path: path.to_owned(),
        params,
        key,
        fingerprint: hex::encode(Sha256::digest(seen)),
        request: id.to_owned(),
    })
}

fn find(method: &str, path: &str) -> Result<&'static Route, Refusal> {
    if let Some(route) = objects::routes().find(|r| r.method == method && captures(r.pattern, path).is_some()) {
        return Ok(route);
    }
    let known = objects::routes().any(|r| captures(r.pattern, path).is_some());
    if known && !matches!(method, "GET" | "POST" | "DELETE") {
        return Err(Refusal {
            status: 405,
            ..Refusal::no_route(method, path)
        });
    }
    let resource = path
        .strip_prefix("/v1/")
        .or_else(|| path.strip_prefix("/v2/"))
        .and_then(|p| p.split('/').next());
    match resource {
        Some(resource) if STRIPES.contains(&resource) => Err(Refusal::not_modelled(&format!("{method} {path}"))),
        _ => Err(Refusal::no_route(method, path)),
    }
}

fn captures<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.trim_end_matches('/').split('/'));
    let mut found = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some("{id}"), Some(id)) if !id.is_empty() => found.push(id),
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
}

async fn execute(server: &Server, call: Call) -> Outcome {
    let mut releases = server.releases();
    let fault = {
        let mut state = server.caught_up();
        if let Some(answer) = call
            .key
            .as_ref()
            .and_then(|key| state.replies.get(key))
            .map(|reply| replay(reply, &call))
        {
            return answer;
        }
        let fault = state.faults.take(call.route.operation);
        match fault {
            Some(Kind::ServerError) => return refuse(&Refusal::fault(500)),
            Some(Kind::RateLimit) => return refuse(&Refusal::fault(429)),
            Some(Kind::Stall) => state.faults.stalled += 1,
            _ => {}
        }
        if let Some(key) = &call.key {
            let created = server.now_of(&state);
            state.replies.insert(
                key.clone(),
                Reply {
                    fingerprint: call.fingerprint.clone(),
                    created,
                    answer: None,
                },
            );
        }
        fault
    };
    if fault == Some(Kind::Stall) {
        drop(releases.changed().await);
        server.lock().faults.stalled -= 1;
    }
    let answer = run(server, &call, fault == Some(Kind::ServerErrorAfterCommit));
    match fault {
        Some(Kind::DropAfterCommit) => Outcome::Broken,
        Some(Kind::HangAfterCommit) => Outcome::Never,
        _ => answer,
    }
}

fn replay(reply: &Reply, call: &Call) -> Outcome {
    if reply.fingerprint != call.fingerprint {
        let message =
            "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        return refuse(&Refusal::idempotency(400, message));
    }
    match &reply.answer {
        Some((status, body)) => Outcome::Answer {
            status: *status,
            body: body.clone(),
            replayed: true,
            executed: true,
        },
        None => refuse(&Refusal::idempotency(
            409,
            "There is currently another in-progress request using this Idempotency Key.",
        )),
    }
}

/// Does the work, keeps the answer under the key, and saves the state.
fn run(server: &Server, call: &Call, spoil: bool) -> Outcome {
    let mut state = server.lock();
    let now = server.now_of(&state);
    state.request = (Some(call.request.clone()), call.key.clone());
    let path = captures(call.route.pattern, &call.path).unwrap_or_default();
    let mut op = Op {
        state: &mut state,
        params: &call.params,
        path,
        now,
        base: server.url(),
    };
    let done = (call.route.run)(&mut op)
        .and_then(|mut body| objects::expand(op.state, &mut body, &call.params).map(|()| body));
    let answer = match done {
        _ if spoil => Outcome::Answer {
            status: 500,
            body: Refusal::fault(500).body(),
            replayed: false,
            executed: true,
        },
        Ok(body) => Outcome::Answer {
            status: 200,
            body,
            replayed: false,
            executed: true,
        },
        Err(refusal) => refuse(&refusal),
    };
    if let (
        Some(key),
        Outcome::Answer {
            status, body, executed, ..
        },
    ) = (&call.key, &answer)
    {
        if *executed {
            if let Some(reply) = state.replies.get_mut(key) {
                reply.answer = Some((*status, body.clone()));
            }
        } else {
            state.replies.remove(key);
        }
    }
    state.request = (None, None);
    server.changed(&state, call.route.method != "GET");
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_modelled_says_so() {
        let status = |method, path| find(method, path).err().map(|r| r.status);
        assert_eq!(status("GET", "/v1/customers/cus_1"), None);
        assert_eq!(status("POST", "/v1/payment_intents"), Some(501));
        assert_eq!(status("GET", "/v1/disputes"), Some(501));
        assert_eq!(status("GET", "/v1/nonsense"), Some(404));
        assert_eq!(status("PUT", "/v1/customers/cus_1"), Some(405));
        assert_eq!(status("GET", "/"), Some(404));
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let mut names: Vec<_> = objects::routes().map(|r| r.operation).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
