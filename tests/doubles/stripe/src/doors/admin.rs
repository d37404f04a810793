//! The tests' own door: look at the books, order faults, move the clock, disturb the webhooks.

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    books,
    faults::Fault,
    server::Server,
    state::{Delivery, DeliveryMode, letters},
};

/// `GET /_double/books`
pub async fn books(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    Json(books::books(&server.caught_up()))
}

/// `GET /_double/clock`
pub async fn clock(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    let state = server.lock();
    Json(json!({ "now": server.now_of(&state) }))
}

/// How far to go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    seconds: u32,
}

/// `POST /_double/clock {"seconds": n}`: the account's time goes on, and what falls due is done.
pub async fn advance(Shared(server): Shared<Arc<Server>>, Json(by): Json<Advance>) -> Json<Value> {
    let mut state = server.lock();
    state.ahead += i64::from(by.seconds);
    server.changed(&state, true);
    drop(state);
    let state = server.caught_up();
    Json(json!({ "now": server.now_of(&state) }))
}

/// `GET /_double/faults`
pub async fn faults(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    let state = server.lock();
    Json(json!({ "orders": state.faults.orders, "stalled": state.faults.stalled }))
}

/// `POST /_double/faults {"operation": "subscriptions.create", "kind": "drop_after_commit", "times": 1, "after": 0}`
pub async fn add_fault(Shared(server): Shared<Arc<Server>>, Json(order): Json<Fault>) -> StatusCode {
    server.lock().faults.orders.push(order);
    StatusCode::NO_CONTENT
}

/// `DELETE /_double/faults`
pub async fn clear_faults(Shared(server): Shared<Arc<Server>>) -> StatusCode {
    server.lock().faults.orders.clear();
    StatusCode::NO_CONTENT
}

/// `POST /_double/release`: stalled calls go on.
pub async fn release(Shared(server): Shared<Arc<Server>>) -> StatusCode {
    server.release();
    StatusCode::NO_CONTENT
}

/// `GET /_double/webhooks`
pub async fn webhooks(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    let state = server.caught_up();
    Json(
        json!({ "pending": state.deliveries.len() + state.under_way.len(), "delivered": state.delivered, "mode": state.mode }),
    )
}

/// `POST /_double/webhooks {"hold": false, "reverse": true, "duplicates": 2}`
pub async fn set_webhooks(Shared(server): Shared<Arc<Server>>, Json(mode): Json<DeliveryMode>) -> StatusCode {
    let mut state = server.lock();
    state.mode = mode;
    server.changed(&state, true);
    StatusCode::NO_CONTENT
}

/// Which event, or which endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    id: String,
}

/// `POST /_double/webhooks/resend {"id": "evt_…"}`: to every endpoint, once more.
pub async fn resend(Shared(server): Shared<Arc<Server>>, Json(event): Json<Named>) -> StatusCode {
    let mut state = server.lock();
    if state.find("event", &event.id).is_none() {
        return StatusCode::NOT_FOUND;
    }
    for endpoint in state.ids_where("webhook_endpoint", |_| true) {
        state.deliveries.push_back(Delivery {
            event: event.id.clone(),
            endpoint,
            tries: 0,
        });
    }
    server.changed(&state, true);
    StatusCode::NO_CONTENT
}

/// `POST /_double/webhooks/roll {"id": "we_…"}`: a new secret; until it is done again, both sign.
pub async fn roll(Shared(server): Shared<Arc<Server>>, Json(endpoint): Json<Named>) -> Result<Json<Value>, StatusCode> {
    let mut state = server.lock();
    if state.find("webhook_endpoint", &endpoint.id).is_none() {
        return Err(StatusCode::NOT_FOUND);
    }
    let fresh = format!("whsec_{}", letters::<32>());
    let secrets = &mut state.hidden(&endpoint.id).secrets;
    secrets.insert(0, fresh.clone());
    secrets.truncate(2);
    server.changed(&state, true);
    Ok(Json(json!({ "secret": fresh })))
}
