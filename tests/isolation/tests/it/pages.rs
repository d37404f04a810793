//! Every address of the web door, and what the HTTP API says by itself.

use anyhow::{Context, Result};
use micro_gateway::OWN_PATHS;
use micro_isolation::{
    callers::Hostile,
    doors::{Answer, Shown},
    routes::{self, Tells},
    site::Asked,
};
use micro_web::{ROUTES, Route};
use reqwest::Method;

use crate::elsewhere::World;

/// A page of some site whose name was pointed here.
const ELSEWHERE: &str = "evil.example";

/// Every row, by every hostile caller.
pub async fn try_all(world: &World) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for route in &ROUTES {
        let tells = routes::row(route).with_context(|| format!("no row: {}", route.path))?;
        for hostile in &world.hostiles {
            let wrong = match tells {
                Tells::Everybody => as_to_strangers(world, route, hostile).await?,
                Tells::WithTheLink => without_the_link(world, route, hostile).await?,
                Tells::Nobody => whatever_is_asked(world, route, hostile).await?,
                Tells::ThisMachine => from_elsewhere(world, route, hostile).await?,
                Tells::TheProvider => unsigned(world, route, hostile).await?,
            };
            faults.extend(wrong);
            faults.extend(by_other_methods(world, route, hostile).await?);
        }
    }
    Ok(faults)
}

fn asked(route: &Route, filled: &str) -> Asked {
    let path = route.path.replace("{link}", filled).replace("{name}", filled);
    Asked::new(route.method.clone(), path.replace("{number}", "1"))
}

/// A fault, unless the answer is `like` and has nothing of anybody in it.
fn judged(world: &World, hostile: &Hostile, asked: &Asked, answer: &Answer, like: &Answer) -> Option<String> {
    let what = format!("{:?} at {} {}", hostile.who, asked.method, asked.path);
    match world.told(answer) {
        Some(told) => Some(World::fault(&what, &told, answer)),
        None if answer != like => Some(World::fault(
            &what,
            &format!("not as {} {}", like.code, like.text),
            answer,
        )),
        None => None,
    }
}

/// Tokens and headers change nothing at this door.
async fn as_to_strangers(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let asked = asked(route, "style.css");
    let answer = world.web.ask(&asked, &hostile.shown).await?;
    let like = world.web.ask(&asked, &Shown::default()).await?;
    Ok(judged(world, hostile, &asked, &answer, &like).into_iter().collect())
}

/// Texts that are not Carol's link, although they look like it or are hers, are no link at all.
async fn without_the_link(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let (link, mut faults) = (&world.carol.link, Vec::new());
    let session = |asked: Asked| Asked {
        path: format!("{}?session={}", asked.path, world.carol.session),
        ..asked
    };
    let nowhere = asked(route, &"x".repeat(link.len()));
    let like = world.web.ask(&nowhere, &hostile.shown).await?;
    let (half, cut) = link.split_at(link.len() / 2);
    for near in [
        link.to_uppercase(),
        link.to_lowercase(),
        cut.to_owned(),
        link[..link.len() - 1].to_owned(),
        format!("{link}x"),
        format!("{link}%00"),
        format!("%20{link}"),
        format!("{half}x{}", &cut[1..]),
        format!("{half}{}", &world.mallory.link[half.len()..]),
        format!("{}%2f..%2f{link}", world.mallory.link),
        world.carol.session.clone(),
        world.carol.email.clone(),
        world.victim.customer.namespace.clone(),
    ] {
        let asked = session(asked(route, &near));
        let answer = world.web.ask(&asked, &hostile.shown).await?;
        faults.extend(judged(world, hostile, &asked, &answer, &like));
    }
    if route.method == Method::POST {
        // With the right link, from a page of another site.
        let across = asked(route, link).with("sec-fetch-site", "cross-site");
        let answer = world.web.ask(&across, &hostile.shown).await?;
        let refused = answer.code == 403 && world.told(&answer).is_none();
        faults.extend((!refused).then(|| World::fault("a form of another site", "not refused", &answer)));
    }
    Ok(faults)
}

/// An address that waits for a card, one of a customer, and one that nobody has. Tries are counted for each, so each is
/// tried as often as the others.
async fn whatever_is_asked(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let form = |email: &str| asked(route, "").form(format!("email={email}"));
    let like = world.web.ask(&form("nobody@example.com"), &hostile.shown).await?;
    for email in [&world.carol.email, &world.victim.customer.email] {
        let known = world.web.ask(&form(email), &hostile.shown).await?;
        faults.extend(judged(world, hostile, &form(email), &known, &like));
    }
    Ok(faults)
}

/// Letters are for this machine: a page of another site reads none, by whatever name.
async fn from_elsewhere(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for host in [
        ELSEWHERE,
        "evil.example:8082",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ] {
        let nowhere = Asked::new(Method::GET, "/nowhere").with("host", host);
        let like = world.web.ask(&nowhere, &hostile.shown).await?;
        let asked = asked(route, "").with("host", host);
        let answer = world.web.ask(&asked, &hostile.shown).await?;
        faults.extend(judged(world, hostile, &asked, &answer, &like));
    }
    Ok(faults)
}

/// What the provider has not signed did not happen.
async fn unsigned(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let (mut faults, session) = (Vec::new(), &world.carol.session);
    let event = format!(
        r#"{{"id":"evt_1","type":"checkout.session.completed","livemode":false,"data":{{"object":{{"id":"{session}"}}}}}}"#
    );
    for signature in ["", "t=0,v1=00", "v1=", "t=99999999999,v1=0000000000000000"] {
        let mut asked = asked(route, "").with("stripe-signature", signature);
        asked.body.clone_from(&event);
        let answer = world.web.ask(&asked, &hostile.shown).await?;
        let refused = answer.code == 400 && answer.text.is_empty();
        faults.extend((!refused).then(|| World::fault("an event without a signature", "not refused", &answer)));
    }
    Ok(faults)
}

/// Even with the right link, other methods say nothing.
async fn by_other_methods(world: &World, route: &Route, hostile: &Hostile) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for method in [
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        let asked = Asked {
            method,
            ..asked(route, &world.carol.link)
        };
        let answer = world.web.ask(&asked, &hostile.shown).await?;
        let quiet = matches!(answer.code, 404 | 405) && world.told(&answer).is_none();
        let what = format!("{:?} at {} {}", hostile.who, asked.method, asked.path);
        faults.extend((!quiet).then(|| World::fault(&what, "it does something", &answer)));
    }
    Ok(faults)
}

/// Mallory comes back from Carol's card: nobody has paid for Mallory.
pub async fn try_sessions(world: &World) -> Result<Vec<String>> {
    let (mut faults, own) = (Vec::new(), &world.mallory.link);
    let sessions = [world.carol.session.as_str(), "cs_nosuch", "", "..%2f..%2fcustomers"];
    for hostile in &world.hostiles {
        for session in sessions {
            let back = Asked::new(Method::GET, format!("/subscribe/{own}/return?session={session}"));
            let page = Asked::new(Method::GET, format!("/subscribe/{own}"));
            for asked in [back, page] {
                let answer = world.web.ask(&asked, &hostile.shown).await?;
                let told = world.told(&answer);
                let paid = answer.text.contains("pt_") || answer.code >= 400;
                let wrong = told.or_else(|| paid.then(|| "it counts, or fails".to_owned()));
                faults
                    .extend(wrong.map(|why| World::fault(&format!("{} {}", asked.method, asked.path), &why, &answer)));
            }
        }
    }
    Ok(faults)
}

/// What the HTTP API answers by itself is the same for everybody.
pub async fn try_own_paths(world: &World) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let paths = OWN_PATHS.iter().map(|own| own.path);
    let own = paths.flat_map(|path| [Method::GET, Method::POST, Method::OPTIONS].map(|m| Asked::new(m, path)));
    let preflights = ["/store/Store/Read", "/billing/Billing/Read", "/nosuch/Nosuch/Read"];
    let preflights = preflights.map(|path| Asked::new(Method::OPTIONS, path).with("origin", "https://evil.example"));
    for asked in own.chain(preflights) {
        let like = world.api.ask(&asked, &Shown::default()).await?;
        for hostile in &world.hostiles {
            let answer = world.api.ask(&asked, &hostile.shown).await?;
            faults.extend(judged(world, hostile, &asked, &answer, &like));
        }
        faults.extend((like.code != 200).then(|| World::fault(&asked.path, "not answered", &like)));
    }
    Ok(faults)
}
