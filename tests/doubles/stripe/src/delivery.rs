//! Webhooks on their way out: signed, at least once, tried again until they are taken.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use hmac::{Hmac, Mac as _};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use sha2::Sha256;

use crate::{
    server::Server,
    state::{Delivery, State},
};

/// Tries before an event is given up; `/v1/events` still has it.
const TRIES: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// Delivers for as long as the server lives.
pub async fn run(server: Arc<Server>) {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let next = take(&server);
        let Some(delivery) = next else {
            server.wake.notified().await;
            continue;
        };
        let Some((url, body, signature, copies)) = letter(&server, &delivery) else {
            server.lock().landed(&delivery);
            continue;
        };
        let mut taken = true;
        for _ in 0..copies {
            taken &= send(&client, &url, &body, &signature).await;
        }
        if taken {
            let mut state = server.lock();
            state.delivered += 1;
            state.landed(&delivery);
            settle(&mut state, &delivery.event);
            server.changed(&state, true);
        } else {
            later(server.clone(), delivery);
        }
    }
}

fn take(server: &Server) -> Option<Delivery> {
    let mut state = server.caught_up();
    let next = match (state.mode.hold, state.mode.reverse) {
        (true, _) => None,
        (false, true) => state.deliveries.pop_back(),
        (false, false) => state.deliveries.pop_front(),
    };
    state.under_way.extend(next.clone());
    next
}

/// Where it goes, what it says, its signature, and how often it is sent.
fn letter(server: &Server, delivery: &Delivery) -> Option<(String, String, String, u32)> {
    let state = server.lock();
    let endpoint = state.find("webhook_endpoint", &delivery.endpoint)?;
    let body = state.find("event", &delivery.event)?.body.to_string();
    let at = server.now_of(&state);
    let signature = sign(&endpoint.hidden.secrets, at, &body);
    Some((
        endpoint.body["url"].as_str()?.to_owned(),
        body,
        signature,
        1 + state.mode.duplicates,
    ))
}

fn settle(state: &mut State, event: &str) {
    if let Some(stored) = state.objects.get_mut(event) {
        let pending = stored.body["pending_webhooks"]
            .as_u64()
            .unwrap_or_default()
            .saturating_sub(1);
        stored.body["pending_webhooks"] = pending.into();
    }
}

/// `t=…,v1=…`, one `v1` per secret that counts.
pub fn sign(secrets: &[String], at: i64, body: &str) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{at}.{body}").as_bytes());
        header.push_str(&format!(",v1={}", hex::encode(mac.finalize().into_bytes())));
    }
    header
}

async fn send(client: &Client<HttpConnector, Body>, url: &str, body: &str, signature: &str) -> bool {
    let request = axum::http::Request::post(url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (stripe-double)")
        .header("stripe-signature", signature)
        .body(Body::from(body.to_owned()));
    let Ok(request) = request else { return false };
    match tokio::time::timeout(PATIENCE, client.request(request)).await {
        Ok(Ok(response)) => response.status().is_success(),
        _ => false,
    }
}

fn later(server: Arc<Server>, mut delivery: Delivery) {
    delivery.tries += 1;
    if delivery.tries >= TRIES {
        tracing::warn!(event.id = %delivery.event, "given up: the endpoint never took it");
        server.lock().landed(&Delivery {
            tries: delivery.tries - 1,
            ..delivery
        });
        return;
    }
    let wait = Duration::from_millis(server.retry_milliseconds << (delivery.tries - 1));
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let mut state = server.lock();
        let sent = Delivery {
            tries: delivery.tries - 1,
            ..delivery.clone()
        };
        state.landed(&sent);
        state.deliveries.push_back(delivery);
        server.changed(&state, true);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_over_time_and_body() {
        // Computed with: printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret
        let expected = "799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f";
        assert_eq!(
            sign(&["whsec_test_secret".into()], 1_492_774_577, r#"{"id":"evt_1"}"#),
            format!("t=1492774577,v1={expected}")
        );
    }
}
