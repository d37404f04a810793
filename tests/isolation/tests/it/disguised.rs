//! Another tenant's administrator, with texts that are nearly the victim's, in every field and in the header.

use std::collections::BTreeSet;

use anyhow::Result;
use futures::future::try_join_all;
use micro_isolation::{
    disguises::{self, Disguise},
    doors::{Door, Doors, Question, Shown},
    endpoints::Endpoint,
    requests::{self, Filling},
    rows::{self, For},
    victim::Victim,
};
use secrecy::SecretString;

/// It ends the session that is used here.
const ENDS_THE_SESSION: &str = "auth.Sessions/End";

/// Where a disguise goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Every field that names a namespace.
    Names,
    /// Every other text.
    Texts,
    /// `Micro-Namespace`.
    Header,
}

/// What was tried, and what was wrong.
pub struct Disguised {
    pub calls: usize,
    pub faults: Vec<String>,
}

/// Who attacks: an administrator of another namespace.
pub struct Attacker<'a> {
    pub token: SecretString,
    pub namespace: &'a str,
}

/// Tries every disguise in its places, at every rpc that a door offers.
pub async fn try_all(
    doors: &Doors,
    victim: &Victim,
    attacker: &Attacker<'_>,
    endpoints: &[Endpoint],
    not_served: &BTreeSet<&'static str>,
) -> Result<Disguised> {
    let offered = endpoints.iter().filter(|e| {
        let inside = matches!(rows::row(e), Some(For::Nobody(_)) | None);
        !inside && !not_served.contains(e.service) && e.name() != ENDS_THE_SESSION
    });
    let offered: Vec<_> = offered.collect();
    let names = disguises::of_namespace(&victim.known.namespace, attacker.namespace);
    let texts = disguises::of_text(&victim.known);
    let in_headers = names.iter().filter(|(_, text)| can_be_a_header(text));
    let all = (names.iter().map(|d| (Place::Names, d)))
        .chain(texts.iter().map(|d| (Place::Texts, d)))
        .chain(in_headers.map(|d| (Place::Header, d)));
    let tries = all.map(|(place, disguise)| try_one(doors, victim, attacker, &offered, place, disguise));
    let done = try_join_all(tries).await?;
    Ok(Disguised {
        calls: done.iter().map(|d| d.calls).sum(),
        faults: done.into_iter().flat_map(|d| d.faults).collect(),
    })
}

/// Two headers, of which one names the attacker's own namespace: whichever counts, it is not the victim's.
pub async fn try_two_headers(doors: &Doors, victim: &Victim, attacker: &Attacker<'_>) -> Result<Vec<String>> {
    let (own, other) = (attacker.namespace, victim.known.namespace.as_str());
    let mut faults = Vec::new();
    for names in [[own, other], [other, own], [other, other]] {
        for path in ["store/Store/List", "runtime/Runtime/Read", "config/Config/Get"] {
            let answer = doors.named_twice(path, names, &attacker.token).await?;
            let sings = victim.canaries.iter().any(|c| c.sings_in(&answer.text));
            let wrong = sings || answer.code >= 500 || (names[0] == other && answer.code != 403);
            faults.extend(wrong.then(|| format!("{names:?} at {path}: {} {}", answer.code, answer.text)));
        }
    }
    Ok(faults)
}

/// Blanks around a header's value are none of it.
fn can_be_a_header(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text
}

async fn try_one(
    doors: &Doors,
    victim: &Victim,
    attacker: &Attacker<'_>,
    endpoints: &[&Endpoint],
    place: Place,
    (what, text): &Disguise,
) -> Result<Disguised> {
    let filling = Filling {
        known: &victim.known,
        naming: matches!(place, Place::Names).then_some(text),
        text: matches!(place, Place::Texts).then_some(text),
    };
    let shown = Shown {
        token: Some(attacker.token.clone()),
        header: matches!(place, Place::Header).then(|| text.clone()),
    };
    let mut done = Disguised {
        calls: 0,
        faults: Vec::new(),
    };
    for endpoint in endpoints {
        let request = endpoint.method.request;
        if matches!(place, Place::Names) && !requests::names(request) {
            continue;
        }
        for door in [Door::Grpc, Door::Http] {
            let refused = !matches!(place, Place::Texts) && rows::row(endpoint) != Some(For::Everybody);
            let question = Question {
                service: endpoint.service.into(),
                handler: endpoint.handler.into(),
                method: endpoint.method.name.into(),
                kind: endpoint.method.kind,
                body: requests::body(request, filling),
                may_stream: !refused,
            };
            let answer = doors.ask(door, &question, &shown).await?;
            done.calls += 1;
            let wrong = if victim.canaries.iter().any(|c| c.sings_in(&answer.text)) {
                Some("a canary")
            } else if refused && !matches!(answer.code, 400 | 403) {
                Some("not refused")
            } else if answer.code >= 500 && answer.code != 501 {
                Some("a failure of ours")
            } else {
                None
            };
            let name = endpoint.name();
            done.faults.extend(wrong.map(|wrong| {
                format!(
                    "{place:?} {what} at {door:?} {name}: {wrong}: {} {}",
                    answer.code, answer.text
                )
            }));
        }
    }
    Ok(done)
}
