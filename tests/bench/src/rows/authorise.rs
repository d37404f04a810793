//! What every request pays: is its token good, and may it call that?

use std::{hint::black_box, sync::Arc};

use anyhow::{Result, ensure};
use micro_clock::{Clock, SystemClock};
use micro_tenancy::{
    Revocations, Verifier, Verify,
    rules::{Access, Decision, Resource, Rule, RuleSet, decide},
    tokens::{KeyRing, Purpose, SigningKey, Tokens},
};
use micro_testkit::principal;
use secrecy::ExposeSecret;
use time::Duration;

use crate::harness::{Budget, Contender, Figure, Rounds, Row, Sample, Settings, allocations, contest, thread_nanos};

const GROUP: &str = "authorise";
const NANOS: Figure = Figure::Amount("ns");
const TIMES: Figure = Figure::Amount("allocations");

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let spread = RuleSet::new(
        (0..1_000)
            .map(|n| rule(n, &format!("service-{}", n % 200), n))
            .collect(),
    );
    let one = RuleSet::new((0..1_000).map(|n| rule(n, "greeter", n)).collect());
    for (what, rules, name) in [
        ("a decision, 1,000 rules for 200 services", spread, "service-7"),
        ("a decision, 1,000 rules for one service", one, "greeter"),
    ] {
        decisions(settings, rows, what, rules, name).await?;
    }
    verifications(settings, rows).await
}

async fn decisions(
    settings: &Settings,
    rows: &mut Vec<Row>,
    what: &'static str,
    rules: RuleSet,
    name: &'static str,
) -> Result<()> {
    let ada = principal("ada-ns", "ada");
    let count = settings.size(200_000, 2_000);
    let mut allocated = Vec::new();
    let decide_once = move |endpoint: &str| {
        let resource = Resource::service(name, endpoint);
        decide(black_box(&rules), Some(&ada), &ada.namespace, &resource)
    };
    ensure!(decide_once("Method7.Call") == Decision::Granted, "the rule is there");
    ensure!(decide_once("Other.Call") == Decision::Forbidden, "no rule speaks of it");
    // Refused at the very end, after every rule that could have matched.
    allocated.push(counted(1_000, || decide_once("Other.Call")));
    let decide_once = Arc::new(decide_once);
    let contender = Contender::new("decide", move |_| {
        let decide_once = decide_once.clone();
        async move { timed(count, || decide_once(black_box("Other.Call"))) }
    });
    let rounds = contest(settings, vec![contender]).await?;
    rows.push(Row::new(GROUP, what, NANOS, &rounds[0]).within(Budget::AtMost(1_000.0)));
    let allocated = Rounds::of("decide", allocated);
    rows.push(Row::new(GROUP, what, TIMES, &allocated).within(Budget::AtMost(0.0)));
    Ok(())
}

async fn verifications(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let count = settings.size(200_000, 2_000);
    let tokens = Arc::new(Tokens::new(
        KeyRing::new(&SigningKey::generate(), []),
        "bench",
        "main",
        false,
    ));
    let verifier = Arc::new(Verifier::new(tokens.clone(), Arc::<Revocations>::default()));
    let now = SystemClock.now();
    let issued = tokens.issue(Purpose::Access, &principal("ada-ns", "ada"), Duration::HOUR, now);
    let token = issued.token.expose_secret().to_owned();
    ensure!(verifier.verify(&token, now).await.is_some(), "the token is good");
    let known = Contender::new("known", {
        let (verifier, token) = (verifier, token.clone());
        move |_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            async move {
                let began = thread_nanos()?;
                for _ in 0..count {
                    black_box(verifier.verify(black_box(&token), now).await);
                }
                nanos_each(began, count)
            }
        }
    });
    let full = Contender::new("full", move |_| {
        let (tokens, token) = (tokens.clone(), token.clone());
        async move { timed(count / 100, || tokens.verify(black_box(&token), Purpose::Access, now)) }
    });
    let rounds = contest(settings, vec![known, full]).await?;
    let row = Row::beside(
        GROUP,
        "a token that is known",
        NANOS,
        &rounds[0],
        Some(&rounds[1]),
        "verified in full",
    );
    rows.push(row.within(Budget::AtMost(1_000.0)));
    Ok(())
}

/// Rules that never speak of what is asked: each is for one endpoint and one scope.
fn rule(number: usize, service: &str, endpoint: usize) -> Rule {
    Rule {
        id: format!("rule-{number}"),
        scope: "admin".into(),
        kind: "service".into(),
        name: service.into(),
        endpoint: format!("Method{endpoint}.Call"),
        access: Access::Granted,
        priority: (number % 7) as i32,
    }
}

fn timed<T>(count: usize, mut work: impl FnMut() -> T) -> Result<Sample> {
    let began = thread_nanos()?;
    for _ in 0..count {
        black_box(work());
    }
    nanos_each(began, count)
}

fn nanos_each(began: u64, count: usize) -> Result<Sample> {
    let spent = thread_nanos()? - began;
    Ok(Sample {
        amount: Some(spent as f64 / count.max(1) as f64),
        ..Sample::default()
    })
}

fn counted<T>(count: usize, mut work: impl FnMut() -> T) -> Sample {
    let before = allocations();
    for _ in 0..count {
        black_box(work());
    }
    Sample {
        amount: Some((allocations() - before) as f64 / count as f64),
        ..Sample::default()
    }
}
