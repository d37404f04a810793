//! Deciding by many rules.

use std::{hint::black_box, time::Instant};

use micro_domain::{AccountId, Namespace, NamespaceName};
use micro_tenancy::{
    AccountKind, Principal, Reach,
    rules::{Access, Decision, Resource, Rule, RuleSet, decide},
};

use crate::allocations;

const RULES: usize = 1_000;

fn ada() -> Principal {
    Principal {
        namespace: Namespace::of_local(NamespaceName::parse("ada-ns").expect("valid")),
        account: AccountId::new("ada"),
        name: "ada".into(),
        kind: AccountKind::User,
        scopes: vec!["reader".into(), "scope-999".into()],
        session: None,
        instance: None,
        reach: Reach::Own,
    }
}

fn rule(n: usize, scope: &str, name: &str, endpoint: &str) -> Rule {
    Rule {
        id: n.to_string(),
        scope: scope.into(),
        kind: "service".into(),
        name: name.into(),
        endpoint: endpoint.into(),
        access: Access::Granted,
        priority: 0,
    }
}

/// As many rules that differ in one part each, the last of which decides.
fn shapes(count: usize) -> [(&'static str, RuleSet, &'static str); 4] {
    let many = |rule: &dyn Fn(usize) -> Rule| RuleSet::new((RULES - count..RULES).map(rule).collect());
    [
        (
            "services",
            many(&|n| rule(n, "*", &format!("service-{n}"), "*")),
            "Greeter.Hello",
        ),
        (
            "endpoints of one service",
            many(&|n| rule(n, "*", "service-999", &format!("Handler{n}.Method"))),
            "Handler999.Method",
        ),
        (
            "scopes for one endpoint",
            many(&|n| rule(n, &format!("scope-{n}"), "service-999", "Greeter.Hello")),
            "Greeter.Hello",
        ),
        (
            "folders",
            many(&|n| rule(n, "*", "service-999", &format!("/orders/{n}/*"))),
            "/orders/999/lines/7",
        ),
    ]
}

#[test]
fn a_decision_by_a_thousand_rules_allocates_nothing() {
    let ada = ada();
    for (what, rules, endpoint) in shapes(RULES) {
        let resource = Resource::service("Service-999", endpoint);
        for (who, expected) in [(Some(&ada), Decision::Granted), (None, Decision::Unauthorized)] {
            let mut decided = None;
            let allocated =
                allocations::count(|| decided = Some(decide(&rules, who, &ada.namespace, black_box(&resource))));
            assert_eq!((decided, allocated), (Some(expected), 0), "{what}");
        }
    }
    assert!(
        allocations::count(|| drop(black_box(vec![1_u8]))) > 0,
        "allocations are counted"
    );
}

/// Nanoseconds that a decision takes, in the quietest of some rounds.
fn nanoseconds(rules: &RuleSet, endpoint: &str) -> u128 {
    let (ada, resource) = (ada(), Resource::service("service-999", endpoint));
    let round = || {
        let started = Instant::now();
        for _ in 0..500 {
            black_box(decide(black_box(rules), Some(&ada), &ada.namespace, &resource));
        }
        started.elapsed().as_nanos() / 500
    };
    (0..7).map(|_| round()).min().expect("rounds")
}

#[test]
fn a_thousand_rules_take_about_as_long_as_ten() {
    for ((what, few, endpoint), (_, many, _)) in shapes(10).into_iter().zip(shapes(RULES)) {
        let (few, many) = (nanoseconds(&few, endpoint), nanoseconds(&many, endpoint));
        println!("{what}: by ten rules {few} ns, by {RULES} {many} ns");
        assert!(many < few * 5, "{what}: {few} ns, {many} ns");
    }
}
