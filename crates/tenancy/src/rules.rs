//! Who may call what in a namespace: the one function that decides it, for every door.
//!
//! Micro's rules (reference/micro-wire §3.7), with its open question answered: of two rules with the same
//! priority that both apply, the denying one wins. An account of another namespace is refused at the first
//! matching rule that is neither public nor for any account, as Micro does.

mod index;

use std::sync::Arc;

use async_trait::async_trait;
use micro_domain::Namespace;
use micro_error::{Error, Kind};

use crate::{Principal, Reach};

pub use index::RuleSet;
use index::{Asker, Verdict};

/// Whether a rule lets in or keeps out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Keeps out. First, since it wins a tie.
    Denied,
    /// Lets in.
    Granted,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rule {
    /// Its name within the namespace.
    pub id: String,
    /// Whom it speaks of: empty is everybody, `*` any account of this namespace, `+` any account at all,
    /// anything else those who hold that scope.
    pub scope: String,
    /// Type of resource (`service`), or `*`.
    pub kind: String,
    /// Name of resource, or `*`.
    pub name: String,
    /// Endpoint (`Greeter.Hello`, `/orders/*`), or `*`.
    pub endpoint: String,
    /// In or out.
    pub access: Access,
    /// Higher ones decide first.
    pub priority: i32,
}

/// What somebody wants to reach.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// `service`.
    pub kind: &'a str,
    /// The service's name.
    pub name: &'a str,
    /// `Handler.Method`, or a path.
    pub endpoint: &'a str,
}

impl<'a> Resource<'a> {
    /// An endpoint of a service.
    pub fn service(name: &'a str, endpoint: &'a str) -> Self {
        Self {
            kind: "service",
            name,
            endpoint,
        }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let in.
    Granted,
    /// Kept out: nobody in particular asks, and an account might do.
    Unauthorized,
    /// Kept out: this account may not.
    Forbidden,
}

impl Decision {
    /// The decision as Micro's error, under the service's name.
    pub fn check(self, principal: Option<&Principal>, resource: &Resource<'_>) -> Result<(), Error> {
        let Resource { name, endpoint, .. } = resource;
        match (self, principal) {
            (Self::Granted, _) => Ok(()),
            (_, Some(p)) => {
                let text = format!("Forbidden call made to {name}:{endpoint} by {}", p.account);
                Err(Error::new(Kind::Forbidden, *name, text))
            }
            (_, None) => Err(Error::new(
                Kind::Unauthenticated,
                *name,
                format!("Unauthorized call made to {name}:{endpoint}"),
            )),
        }
    }
}

/// Decides whether `principal` may reach `resource` of `namespace`. Allocates nothing, and takes as long with a
/// thousand rules as with ten.
pub fn decide(
    rules: &RuleSet,
    principal: Option<&Principal>,
    namespace: &Namespace,
    resource: &Resource<'_>,
) -> Decision {
    let kept_out = if principal.is_some() {
        Decision::Forbidden
    } else {
        Decision::Unauthorized
    };
    let asker = match principal {
        None => Asker::Nobody,
        Some(p) if p.namespace.id != namespace.id && p.reach == Reach::Own => Asker::Stranger,
        Some(p) => Asker::Account(&p.scopes),
    };
    match rules.first(resource, asker) {
        Some(Verdict::Says(Access::Granted)) => Decision::Granted,
        Some(Verdict::Says(Access::Denied) | Verdict::NotForStrangers) | None => kept_out,
    }
}

/// Where the rules of a namespace are read: from a snapshot that is at most 5 seconds old.
#[async_trait]
pub trait Rulebook: Send + Sync + 'static {
    /// The namespace's rules.
    async fn rules(&self, namespace: &Namespace) -> Result<Arc<RuleSet>, Error>;

    /// The namespace's rules, if they are fresh in memory: an edge core asks this first, and has
    /// [`Rulebook::rules`] run elsewhere.
    fn remembered(&self, _namespace: &Namespace) -> Option<Arc<RuleSet>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use micro_domain::NamespaceName;
    use proptest::prelude::*;

    use super::{index::reach, *};
    use crate::tests::ada;

    fn rule(scope: &str, resource: &str, access: Access, priority: i32) -> Rule {
        let mut parts = resource.splitn(3, ':').map(str::to_owned);
        let mut part = || parts.next().expect("type:name:endpoint");
        let id = format!("{scope} {resource} {access:?} {priority}");
        Rule {
            id,
            scope: scope.into(),
            kind: part(),
            name: part(),
            endpoint: part(),
            access,
            priority,
        }
    }

    fn bob() -> Principal {
        Principal {
            namespace: Namespace::of_local(NamespaceName::parse("bobs-ns").expect("valid")),
            ..ada()
        }
    }

    fn ask(rules: &[Rule], who: Option<&Principal>, endpoint: &str) -> Decision {
        decide(
            &RuleSet::new(rules.to_vec()),
            who,
            &ada().namespace,
            &Resource::service("greeter", endpoint),
        )
    }

    #[test]
    fn without_a_rule_nobody_gets_in() {
        assert_eq!(ask(&[], None, "Greeter.Hello"), Decision::Unauthorized);
        assert_eq!(ask(&[], Some(&ada()), "Greeter.Hello"), Decision::Forbidden);
    }

    #[test]
    fn the_platforms_default_lets_the_namespaces_own_accounts_in_and_nobody_else() {
        let rules = [rule("*", "*:*:*", Access::Granted, 0)];
        assert_eq!(ask(&rules, None, "Greeter.Hello"), Decision::Unauthorized);
        assert_eq!(ask(&rules, Some(&ada()), "Greeter.Hello"), Decision::Granted);
        assert_eq!(ask(&rules, Some(&bob()), "Greeter.Hello"), Decision::Forbidden);
    }

    #[test]
    fn a_public_rule_beside_the_default_opens_the_service_to_everybody() {
        let rules = [
            rule("*", "*:*:*", Access::Granted, 0),
            rule("", "service:Greeter:*", Access::Granted, 0),
        ];
        for who in [None, Some(&ada()), Some(&bob())] {
            assert_eq!(ask(&rules, who, "Greeter.Hello"), Decision::Granted);
        }
    }

    #[test]
    fn denying_wins_a_tie_and_priority_comes_before_that() {
        let deny = rule("*", "service:greeter:greeter.admin", Access::Denied, 0);
        let grant = rule("", "*:*:*", Access::Granted, 0);
        assert_eq!(
            ask(&[grant.clone(), deny.clone()], Some(&ada()), "Greeter.Admin"),
            Decision::Forbidden
        );
        let above = Rule { priority: 1, ..grant };
        assert_eq!(ask(&[deny, above], Some(&ada()), "Greeter.Admin"), Decision::Granted);
    }

    #[test]
    fn an_account_from_elsewhere_is_refused_at_the_first_rule_that_is_not_for_it() {
        let rules = [
            rule("guest", "*:*:*", Access::Granted, 2),
            rule("", "*:*:*", Access::Granted, 1),
        ];
        assert_eq!(ask(&rules, Some(&bob()), "Greeter.Hello"), Decision::Forbidden);
        assert_eq!(ask(&rules, Some(&ada()), "Greeter.Hello"), Decision::Granted);
        assert_eq!(
            ask(&[rule("+", "*:*:*", Access::Granted, 0)], Some(&bob()), "x"),
            Decision::Granted
        );
    }

    #[test]
    fn a_folder_covers_what_lies_in_it() {
        let rules = [rule("", "service:greeter:/orders/*", Access::Granted, 0)];
        for (endpoint, inside) in [
            ("/orders", true),
            ("/orders/7", true),
            ("/Orders/7/lines", true),
            ("/ordersX", false),
            ("/", false),
        ] {
            assert_eq!(ask(&rules, None, endpoint) == Decision::Granted, inside, "{endpoint}");
        }
    }

    #[test]
    fn a_refusal_is_in_micros_words() {
        let resource = Resource::service("greeter", "Greeter.Hello");
        let refused = Decision::Forbidden
            .check(Some(&ada()), &resource)
            .expect_err("forbidden");
        assert_eq!(
            refused.to_wire().detail,
            "Forbidden call made to greeter:Greeter.Hello by ada"
        );
        let refused = Decision::Unauthorized.check(None, &resource).expect_err("unauthorized");
        assert_eq!((refused.to_wire().code, refused.id()), (401, "greeter"));
    }

    /// Micro's own procedure, word for word (reference/micro-wire §3.7), over rules that are in order already.
    fn naive(rules: &[Rule], who: Option<&Principal>, namespace: &Namespace, resource: &Resource<'_>) -> Decision {
        let no = if who.is_some() {
            Decision::Forbidden
        } else {
            Decision::Unauthorized
        };
        let mut endpoints = vec!["*".to_owned(), resource.endpoint.to_lowercase()];
        if resource.endpoint.contains('/') {
            let parts: Vec<String> = resource.endpoint.to_lowercase().split('/').map(str::to_owned).collect();
            endpoints.extend((1..=parts.len()).map(|n| format!("{}/*", parts[..n].join("/"))));
        }
        let mut kept: Vec<&Rule> = rules
            .iter()
            .filter(|r| ["*", resource.kind].contains(&r.kind.to_lowercase().as_str()))
            .filter(|r| ["*".to_owned(), resource.name.to_lowercase()].contains(&r.name.to_lowercase()))
            .filter(|r| endpoints.contains(&r.endpoint.to_lowercase()))
            .collect();
        let order = |r: &Rule| {
            (
                -i64::from(r.priority),
                r.access == Access::Granted,
                reach(r),
                r.id.clone(),
            )
        };
        kept.sort_by_key(|r| order(r));
        for r in kept {
            let yes = if r.access == Access::Granted {
                Decision::Granted
            } else {
                no
            };
            if r.scope.is_empty() {
                return yes;
            }
            let Some(p) = who else { continue };
            if r.scope != "+" && p.namespace.id != namespace.id {
                return no;
            }
            if r.scope == "*" || r.scope == "+" || p.scopes.iter().any(|s| s.to_lowercase() == r.scope.to_lowercase()) {
                return yes;
            }
        }
        no
    }

    fn some_rule() -> impl Strategy<Value = Rule> {
        let scope = prop::sample::select(vec!["", "*", "+", "admin", "Guest", "none"]);
        let kind = prop::sample::select(vec!["*", "service", "topic"]);
        let name = prop::sample::select(vec!["*", "greeter", "GREETER", "other", "a"]);
        let endpoint = prop::sample::select(vec!["*", "Greeter.Hello", "/a", "/a/*", "/A/b/*", "/*", "a/*"]);
        let access = prop::sample::select(vec![Access::Granted, Access::Denied]);
        (0_i32..1000, scope, kind, name, endpoint, access, -2..3).prop_map(
            |(id, scope, kind, name, endpoint, access, priority)| Rule {
                id: id.to_string(),
                scope: scope.into(),
                kind: kind.into(),
                name: name.into(),
                endpoint: endpoint.into(),
                access,
                priority,
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_decides_as_the_plain_procedure_does(
            rules in prop::collection::vec(some_rule(), 0..12),
            who in 0_usize..4,
            name in prop::sample::select(vec!["greeter", "Greeter", "other", "zebra", ""]),
            endpoint in prop::sample::select(vec!["Greeter.Hello", "greeter.hello", "/a", "/a/b/c", "/A/B", "/", "a/b", "/ab"]),
        ) {
            let guest = Principal { scopes: vec!["guest".into()], ..ada() };
            let who = [None, Some(ada()), Some(bob()), Some(guest)][who].clone();
            let (namespace, resource) = (ada().namespace, Resource::service(name, endpoint));
            let quick = decide(&RuleSet::new(rules.clone()), who.as_ref(), &namespace, &resource);
            prop_assert_eq!(quick, naive(&rules, who.as_ref(), &namespace, &resource));
        }
    }
}
