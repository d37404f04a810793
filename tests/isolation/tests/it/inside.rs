//! What is the platform's own business is not there at a tenant's door, however it is written.

use anyhow::Result;
use micro_isolation::{
    callers::Who,
    doors::{Answer, Door, Question, Shown},
    endpoints::{self, Endpoint},
    rows::{self, For, Missing},
    site::Asked,
    spellings::{OF_PATHS, OF_RPCS},
};
use micro_rpc::MethodKind;
use reqwest::Method;
use serde_json::json;

use crate::elsewhere::World;

/// The name of something that does not exist.
const UNKNOWN: &str = "Nosuch";

/// Every internal rpc in every spelling.
pub async fn try_all(world: &World) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let victim = Shown {
        token: Some(world.victim.token.clone()),
        header: None,
    };
    // The table has everybody; these stand for strangers, accounts, services and the victim itself.
    let some = [Who::NoToken, Who::OtherTenant, Who::OtherService];
    let some = world.hostiles.iter().filter(|hostile| some.contains(&hostile.who));
    let shown: Vec<_> = some.map(|hostile| &hostile.shown).chain([&victim]).collect();
    for endpoint in endpoints::all() {
        let Some(For::Nobody(missing)) = rows::row(&endpoint) else {
            continue;
        };
        let (real, unknown) = parts(&endpoint, missing);
        for (number, shown) in shown.iter().enumerate() {
            for (how, spelled) in OF_PATHS {
                let at = async |parts| {
                    let mut asked = Asked::new(Method::POST, spelled(parts)).with("content-type", "application/json");
                    asked.body = "{}".into();
                    world.api.ask(&asked, shown).await
                };
                let (answer, like) = (at(real).await?, at(unknown).await?);
                faults.extend(judged(world, (how, number), real, unknown, [&answer, &like]));
            }
            for (how, spelled) in OF_RPCS {
                let at = async |parts| {
                    let [service, handler, method] = spelled(parts);
                    let question = Question {
                        service,
                        handler,
                        method,
                        kind: MethodKind::Unary,
                        body: json!({}),
                        may_stream: false,
                    };
                    world.doors.ask(Door::Grpc, &question, shown).await
                };
                let (answer, like) = (at(real).await?, at(unknown).await?);
                faults.extend(judged(world, (how, number), real, unknown, [&answer, &like]));
            }
        }
    }
    Ok(faults)
}

/// The endpoint's path, and one that differs from it in what its row says is missing.
fn parts(endpoint: &Endpoint, missing: Missing) -> ([&'static str; 3], [&'static str; 3]) {
    let real = [endpoint.service, endpoint.handler, endpoint.method.name];
    let mut unknown = real;
    match missing {
        Missing::Service => unknown[0] = "nosuch",
        Missing::Handler => unknown[1] = UNKNOWN,
        Missing::Method => unknown[2] = UNKNOWN,
    }
    (real, unknown)
}

fn judged(
    world: &World,
    (how, caller): (&str, usize),
    real: [&str; 3],
    unknown: [&str; 3],
    [answer, like]: [&Answer; 2],
) -> Option<String> {
    // Names that were asked for are repeated, in the door's own spelling.
    let nameless = |answer: &Answer| {
        let mut text = answer.text.to_lowercase();
        for name in real.iter().chain(&unknown) {
            text = text.replace(&name.to_lowercase(), "*");
        }
        (answer.code, text)
    };
    let what = format!("{real:?} {how}, by caller {caller}");
    if let Some(told) = world.told(answer) {
        return Some(World::fault(&what, &told, answer));
    }
    let same = nameless(answer) == nameless(like) && answer.code >= 400;
    (!same).then(|| World::fault(&what, &format!("not as {} {}", like.code, like.text), answer))
}
