//! Every row, by every hostile caller, at both doors.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use micro_e2e::{
    platform::{Options, Platform},
    signup::{GOOD_CARD, sign_up},
};
use micro_isolation::{
    callers::{self, Hostile},
    doors::{Answer, Door, Doors, Question, Shown},
    endpoints::{self, Endpoint},
    expectation::{self, Expectation},
    requests::{self, Filling},
    rows::{self, For, Missing},
    victim::{Customer, Victim, log_in},
};

use crate::{
    disguised::{self, Attacker},
    services,
};

/// The name of something that does not exist.
const UNKNOWN: &str = "nosuch";

#[test]
fn nobody_reaches_what_is_not_theirs() -> Result<()> {
    let began = Instant::now();
    let env = vec![("MICRO_LOG".to_owned(), "warn,micro=trace".to_owned())];
    let mut platform = Platform::start(Options { env })?;
    let home = platform.home()?;
    let ada = sign_up(&mut platform, home, "ada@example.com", &[GOOD_CARD])?;
    let home = platform.home()?;
    let eve = sign_up(&mut platform, home, "eve@example.com", &[GOOD_CARD])?;
    let key = std::fs::read_to_string(platform.data_dir().join("keys/auth"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let doors = Doors::of(platform.at.proxy, platform.at.api)?;

    let mut victim = runtime.block_on(async {
        let victim = Victim::new(&doors, Customer::from(&ada)).await?;
        victim.plant(&doors).await?;
        Ok::<_, anyhow::Error>(victim)
    })?;
    let (folder, mut running) = (platform.data_dir().with_file_name("sources"), Vec::new());
    std::fs::create_dir(&folder)?;
    for service in victim.services() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let source = folder.join(&service);
        victim.lay_out(&source, &service, port)?;
        running.push(ada.home.start(&[
            "run",
            "--name",
            &service,
            "--env_vars",
            &victim.variable(),
            &source.display().to_string(),
        ])?);
    }
    let result = runtime.block_on(async {
        victim.settled(&doors).await?;
        victim.learn_revisions(&doors).await?;
        victim.begin_upload(&doors).await?;
        println!("set up in {:.1?}", began.elapsed());
        let faults = attack(&doors, &victim, &Customer::from(&eve), &key).await?;
        println!("all of it in {:.1?}", began.elapsed());
        Ok::<_, anyhow::Error>(faults)
    });
    drop(running);
    let mut faults = result?;
    faults.extend(told_to_operators(&platform, &victim)?);
    ensure!(faults.is_empty(), "{} holes:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// The table, then the disguises; at the end the victim has what it had.
async fn attack(doors: &Doors, victim: &Victim, other: &Customer, key: &str) -> Result<Vec<String>> {
    let mut endpoints = endpoints::all();
    // It ends the session that it is called with.
    endpoints.sort_by_key(|e| e.name() == "auth.Sessions/End");
    let not_served = not_served(doors, victim, &endpoints).await?;
    let tried = try_all(doors, victim, other, key, &endpoints, &not_served).await?;
    tried.print();
    let attacker = Attacker {
        token: log_in(doors, &other.email, &other.password, &other.namespace).await?,
        namespace: &other.namespace,
    };
    let disguised = disguised::try_all(doors, victim, &attacker, &endpoints, &not_served).await?;
    println!("in disguise: {} calls", disguised.calls);
    let mut faults = tried.faults;
    faults.extend(disguised.faults);
    faults.extend(disguised::try_two_headers(doors, victim, &attacker).await?);
    let missing = victim.missing(doors).await?;
    if !missing.is_empty() {
        faults.push(format!("gone or changed: {missing:?}; {}", victim.told(doors).await?));
    }
    victim.finish_upload(doors).await?;
    Ok(faults)
}

/// What operators see of it: no panic, and nothing that people wrote.
fn told_to_operators(platform: &Platform, victim: &Victim) -> Result<Vec<String>> {
    let admin = platform.at.admin.context("a door for operators")?;
    let metrics = reqwest::blocking::get(format!("http://{admin}/metrics"))?.text()?;
    let addresses = std::fs::read_to_string(platform.data_dir().join("addresses.json"))?;
    let log = platform.log();
    ensure!(
        log.lines().count() > 100,
        "a log that says nothing would hide everything"
    );
    let mut faults: Vec<_> = log
        .lines()
        .filter(|l| l.contains("panicked"))
        .map(str::to_owned)
        .collect();
    for (where_, text) in [
        ("log", log),
        ("banner", platform.banner()),
        ("metrics", metrics),
        ("addresses", addresses),
    ] {
        for canary in victim.canaries.iter().filter(|c| c.is_content()) {
            let line = text.lines().find(|line| canary.sings_in(line));
            faults.extend(line.map(|line| format!("the canary {} in the {where_}: {line}", canary.what)));
        }
    }
    Ok(faults)
}

/// The victim's own ids, and what names its namespace.
fn filling<'a>(victim: &'a Victim, naming: Option<&'a str>) -> Filling<'a> {
    Filling {
        known: &victim.known,
        naming,
        text: None,
    }
}

/// What came of it.
struct Tried {
    endpoints: usize,
    callers: usize,
    calls: usize,
    canaries: usize,
    not_served: BTreeSet<&'static str>,
    faults: Vec<String>,
}

impl Tried {
    fn print(&self) {
        println!(
            "{} rows × {} callers × 2 doors: {} calls, {} passed, {} canaries silent and in place; not served: {:?}",
            self.endpoints,
            self.callers,
            self.calls,
            self.calls - self.faults.len(),
            self.canaries,
            self.not_served
        );
    }
}

async fn try_all(
    doors: &Doors,
    victim: &Victim,
    other: &Customer,
    key: &str,
    endpoints: &[Endpoint],
    not_served: &BTreeSet<&'static str>,
) -> Result<Tried> {
    let hostiles = callers::all(doors, victim, other, key).await?;
    let mut faults = services::try_all(doors, victim, &hostiles).await?;
    for hostile in hostiles.iter().filter(|h| h.who.has_an_account()) {
        let shown = Shown {
            header: None,
            ..hostile.shown.clone()
        };
        let question = Question::parse("/auth.Rules/List", micro_rpc::MethodKind::Unary, "{}".parse()?)?;
        let answer = doors.ask(Door::Grpc, &question, &shown).await?;
        ensure!(
            answer.code == 200,
            "{:?} is nobody: all its refusals would prove nothing",
            hostile.who
        );
    }
    let each = hostiles
        .iter()
        .map(|hostile| try_each(doors, victim, hostile, endpoints, not_served));
    faults.extend(try_join_all(each).await?.into_iter().flatten());
    Ok(Tried {
        endpoints: endpoints.len(),
        callers: hostiles.len(),
        calls: endpoints.len() * hostiles.len() * 2,
        canaries: victim.canaries.len(),
        not_served: not_served.clone(),
        faults,
    })
}

/// Packages that have no service here: the victim's own call ends with that.
async fn not_served(doors: &Doors, victim: &Victim, all: &[Endpoint]) -> Result<BTreeSet<&'static str>> {
    let shown = Shown {
        token: Some(victim.token.clone()),
        header: None,
    };
    let mut not_served = BTreeSet::new();
    for service in all.iter().map(|e| e.service).collect::<BTreeSet<_>>() {
        let question = Question::parse(
            &format!("/{service}.Debug/Health"),
            micro_rpc::MethodKind::Unary,
            "{}".parse()?,
        )?;
        let answer = doors.ask(Door::Grpc, &question, &shown).await?;
        if answer.text.contains("route not found") {
            not_served.insert(service);
        }
    }
    Ok(not_served)
}

async fn try_each(
    doors: &Doors,
    victim: &Victim,
    hostile: &Hostile,
    all: &[Endpoint],
    not_served: &BTreeSet<&'static str>,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for endpoint in all {
        let whose = rows::row(endpoint).with_context(|| format!("no row: {}", endpoint.name()))?;
        for door in [Door::Grpc, Door::Http] {
            let expected = match (whose, not_served.contains(endpoint.service)) {
                (For::Nobody(_), _) | (_, false) => {
                    expectation::of(whose, hostile.who, requests::names(endpoint.method.request))
                }
                (_, true) => Expectation::NoRoute,
            };
            let fault = try_one(doors, door, victim, hostile, endpoint, expected).await?;
            faults.extend(fault.map(|f| format!("{:?} at {door:?}, {}: {f}", hostile.who, endpoint.name())));
        }
    }
    Ok(faults)
}

async fn try_one(
    doors: &Doors,
    door: Door,
    victim: &Victim,
    hostile: &Hostile,
    endpoint: &Endpoint,
    expected: Expectation,
) -> Result<Option<String>> {
    let naming = hostile.names.then_some(victim.known.namespace.as_str());
    let question = Question {
        service: endpoint.service.into(),
        handler: endpoint.handler.into(),
        method: endpoint.method.name.into(),
        kind: endpoint.method.kind,
        body: requests::body(endpoint.method.request, filling(victim, naming)),
        may_stream: expected.may_stream(),
    };
    let answer = doors.ask(door, &question, &hostile.shown).await?;
    if expected != Expectation::AsMember {
        let singing = victim.canaries.iter().find(|c| c.sings_in(&answer.text));
        if let Some(canary) = singing {
            return Ok(Some(format!("the canary {} in {}", canary.what, answer.text)));
        }
    }
    let unknown = match expected {
        Expectation::LikeUnknown(missing) => Some(of_unknown(doors, door, hostile, &question, missing).await?),
        Expectation::Forbidden => Some(of_nowhere(doors, door, victim, hostile, endpoint, &question).await?),
        _ => None,
    };
    Ok(expected.fault(&answer, unknown.as_ref()))
}

/// What is answered where a part of the path names nothing, told as if it had named what was asked for.
pub async fn of_unknown(
    doors: &Doors,
    door: Door,
    hostile: &Hostile,
    question: &Question,
    part: Missing,
) -> Result<Answer> {
    let mut unknown = question.clone();
    let (place, capital) = match part {
        Missing::Service => (&mut unknown.service, false),
        Missing::Handler => (&mut unknown.handler, true),
        Missing::Method => (&mut unknown.method, true),
    };
    let name = if capital {
        UNKNOWN.replacen('n', "N", 1)
    } else {
        UNKNOWN.to_owned()
    };
    let real = std::mem::replace(place, name.clone());
    let answer = doors.ask(door, &unknown, &hostile.shown).await?;
    Ok(Answer {
        text: answer.text.replace(&name, &real),
        ..answer
    })
}

/// What is answered to the same question about a namespace that does not exist: nobody learns which do.
async fn of_nowhere(
    doors: &Doors,
    door: Door,
    victim: &Victim,
    hostile: &Hostile,
    endpoint: &Endpoint,
    question: &Question,
) -> Result<Answer> {
    let naming = hostile.names.then_some(UNKNOWN);
    let question = Question {
        body: requests::body(endpoint.method.request, filling(victim, naming)),
        ..question.clone()
    };
    let shown = Shown {
        header: hostile.shown.header.as_ref().map(|_| UNKNOWN.to_owned()),
        ..hostile.shown.clone()
    };
    doors.ask(door, &question, &shown).await
}
