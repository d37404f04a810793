//! Everything the double remembers: objects as the JSON it answers, plus what it hides beside them.

use std::collections::{BTreeMap, VecDeque};

use micro_clock::Ids;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{API_VERSION, cards::Card, error::Refusal, faults::Faults};

/// One object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// Order of creation: lists are newest first.
    pub seq: u64,
    /// As the API shows it, with ids where it can be expanded.
    pub body: Value,
    /// What the API never shows.
    #[serde(default)]
    pub hidden: Hidden,
}

/// What stands behind an object and is never shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hidden {
    /// A payment method's card.
    pub card: Option<Card>,
    /// Whether that card was stored for use without its holder.
    pub set_up: bool,
    /// A webhook endpoint's signing secrets, newest first.
    pub secrets: Vec<String>,
    /// A charge's or invoice's subscription.
    pub subscription: Option<String>,
    /// What a checkout session will buy, and the intent its card is tried on.
    pub order: Option<Value>,
}

/// What an idempotency key keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    pub fingerprint: String,
    pub created: i64,
    /// `None` while the request is being executed.
    pub answer: Option<(u16, Value)>,
}

/// An event on its way to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub event: String,
    pub endpoint: String,
    pub tries: u32,
}

/// How events are delivered, on demand of a test.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryMode {
    /// Keep them back.
    pub hold: bool,
    /// Send the newest first.
    pub reverse: bool,
    /// Send each this many times more.
    pub duplicates: u32,
}

/// The account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    seq: u64,
    /// Seconds by which the account's clock is ahead of the machine's.
    pub ahead: i64,
    pub objects: BTreeMap<String, Stored>,
    pub replies: BTreeMap<String, Reply>,
    pub deliveries: VecDeque<Delivery>,
    pub delivered: u64,
    /// Deliveries that are being sent, or wait for their next try; after a restart they are due again.
    pub under_way: Vec<Delivery>,
    pub mode: DeliveryMode,
    #[serde(skip)]
    pub faults: Faults,
    /// The request being executed, for the events it causes: its id and idempotency key.
    #[serde(skip)]
    pub request: (Option<String>, Option<String>),
}

impl State {
    /// A fresh id.
    pub fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", letters::<24>())
    }

    /// Keeps a new object under the `id` it carries and returns it.
    pub fn add(&mut self, body: Value) -> Value {
        self.add_with(body, Hidden::default())
    }

    /// [`Self::add`] with something to hide.
    pub fn add_with(&mut self, body: Value, hidden: Hidden) -> Value {
        self.seq += 1;
        let id = body["id"].as_str().expect("every object has an id").to_owned();
        self.objects.insert(
            id,
            Stored {
                seq: self.seq,
                body: body.clone(),
                hidden,
            },
        );
        body
    }

    /// The object of that kind and id.
    pub fn find(&self, kind: &str, id: &str) -> Option<&Stored> {
        self.objects
            .get(id)
            .filter(|o| o.body["object"] == kind && o.body["deleted"] != true)
    }

    /// The same, or Stripe's `resource_missing`; `param` is `id` when the path names it.
    pub fn get(&self, kind: &str, id: &str, param: &str) -> Result<&Stored, Refusal> {
        self.find(kind, id)
            .ok_or_else(|| Refusal::no_such(&kind.replace('.', "_"), id, param))
    }

    /// Sets fields of an object that exists.
    pub fn set(&mut self, id: &str, fields: Value) -> Value {
        let stored = self.objects.get_mut(id).expect("set follows get");
        for (name, value) in fields.as_object().expect("fields").clone() {
            stored.body[name] = value;
        }
        stored.body.clone()
    }

    /// What is hidden behind an object that exists.
    pub fn hidden(&mut self, id: &str) -> &mut Hidden {
        &mut self.objects.get_mut(id).expect("hidden follows get").hidden
    }

    /// Every object of a kind, newest first.
    pub fn list(&self, kind: &str) -> Vec<&Stored> {
        let mut all: Vec<_> = self
            .objects
            .values()
            .filter(|o| o.body["object"] == kind && o.body["deleted"] != true)
            .collect();
        all.sort_by_key(|o| std::cmp::Reverse(o.seq));
        all
    }

    /// The ids of every object of a kind that `wanted` picks, oldest first.
    pub fn ids_where(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let picked = self.list(kind).into_iter().rev().filter(|o| wanted(&o.body));
        picked
            .filter_map(|o| o.body["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// The time an object lives in: its test clock's, or the account's.
    pub fn time_of(&self, body: &Value, account_now: i64) -> i64 {
        let clock = body["test_clock"].as_str().and_then(|id| self.objects.get(id));
        clock
            .and_then(|c| c.body["frozen_time"].as_i64())
            .unwrap_or(account_now)
    }

    /// Records that something happened and queues it for every endpoint that asked for it.
    pub fn emit(&mut self, at: i64, kind: &str, object: &Value, previous: Option<Value>) {
        let wants = |o: &&Stored| {
            let filter = o.body["enabled_events"].as_array();
            o.body["status"] == "enabled" && filter.is_some_and(|f| f.iter().any(|e| e == "*" || e == kind))
        };
        let endpoints: Vec<String> = self
            .list("webhook_endpoint")
            .into_iter()
            .filter(wants)
            .filter_map(|o| o.body["id"].as_str().map(str::to_owned))
            .collect();
        let mut data = Map::from_iter([("object".to_owned(), object.clone())]);
        if let Some(previous) = previous {
            data.insert("previous_attributes".into(), previous);
        }
        let id = self.id("evt");
        self.add(json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": at, "data": data, "livemode": false,
            "pending_webhooks": endpoints.len(), "type": kind,
            "request": { "id": self.request.0, "idempotency_key": self.request.1 },
        }));
        for endpoint in endpoints {
            self.deliveries.push_back(Delivery {
                event: id.clone(),
                endpoint,
                tries: 0,
            });
        }
    }

    /// A delivery is no longer under way.
    pub fn landed(&mut self, delivery: &Delivery) {
        if let Some(index) = self.under_way.iter().position(|d| d == delivery) {
            self.under_way.swap_remove(index);
        }
    }

    /// [`Self::set`], and the event that tells of it with the values before.
    pub fn update(&mut self, at: i64, id: &str, event: &str, fields: Value) -> Value {
        let before = self.objects[id].body.clone();
        let after = self.set(id, fields.clone());
        let names = fields.as_object().expect("fields").keys();
        let previous: Map<_, _> = names
            .filter(|n| before[*n] != after[*n])
            .map(|n| (n.clone(), before[n].clone()))
            .collect();
        self.emit(at, event, &after, Some(previous.into()));
        after
    }
}

/// Random letters and digits, as Stripe's ids end.
pub fn letters<const N: usize>() -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    Ids.bytes::<N>()
        .iter()
        .map(|b| ALPHABET[usize::from(*b) % 62] as char)
        .collect()
}
