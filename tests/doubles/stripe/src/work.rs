//! What falls due as time goes by: renewals, drafts, expiries; in the order of their times.

use serde_json::Value;

use crate::{
    objects::{checkout, invoice, subscription},
    state::State,
};

/// An unpaid first invoice ends its subscription after this long.
const INCOMPLETE_SECONDS: i64 = 23 * 3_600;

enum Due {
    Renewal,
    Collection,
    Abandoned,
    Expiry,
}

/// Does everything that is due by now, then lets advancing clocks say `ready`.
pub fn run_due(state: &mut State, account_now: i64) -> bool {
    let mut worked = false;
    while let Some((at, id, due)) = next(state, account_now) {
        worked = true;
        match due {
            Due::Renewal => subscription::renew(state, at, &id),
            Due::Collection => invoice::collect_draft(state, at, &id),
            Due::Abandoned => drop(subscription::end(state, at, &id)),
            Due::Expiry => drop(checkout::expire(state, at, &id)),
        }
    }
    for clock in state.ids_where("test_helpers.test_clock", |c| c["status"] == "advancing") {
        worked = true;
        let body = state.set(&clock, serde_json::json!({ "status": "ready", "status_details": {} }));
        let at = body["frozen_time"].as_i64().unwrap_or(account_now);
        state.emit(at, "test_helpers.test_clock.ready", &body, None);
    }
    // Keys are kept for a day.
    state
        .replies
        .retain(|_, reply| reply.created + 24 * 3_600 > account_now);
    worked
}

fn next(state: &State, account_now: i64) -> Option<(i64, String, Due)> {
    let mut earliest: Option<(i64, u64, String, Due)> = None;
    for stored in state.objects.values() {
        let Some((at, due)) = due_of(&stored.body) else {
            continue;
        };
        if at > state.time_of(&stored.body, account_now) {
            continue;
        }
        if earliest
            .as_ref()
            .is_none_or(|(first, seq, ..)| (at, stored.seq) < (*first, *seq))
        {
            let id = stored.body["id"].as_str().unwrap_or_default().to_owned();
            earliest = Some((at, stored.seq, id, due));
        }
    }
    earliest.map(|(at, _, id, due)| (at, id, due))
}

fn due_of(body: &Value) -> Option<(i64, Due)> {
    match (body["object"].as_str()?, body["status"].as_str()?) {
        ("subscription", "active" | "past_due") => {
            Some((body["items"]["data"][0]["current_period_end"].as_i64()?, Due::Renewal))
        }
        ("subscription", "incomplete") => Some((body["created"].as_i64()? + INCOMPLETE_SECONDS, Due::Abandoned)),
        ("invoice", "draft") => Some((body["automatically_finalizes_at"].as_i64()?, Due::Collection)),
        ("checkout.session", "open") => Some((body["expires_at"].as_i64()?, Due::Expiry)),
        _ => None,
    }
}
