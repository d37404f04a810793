//! A namespace's rules, laid out so that the one that decides is found by looking, not by going through them all.
//!
//! Of the rules with the same resource and the same scope only the first in deciding order can ever decide. So each
//! resource that rules speak of keeps the rank of its first rule by whom it speaks of; a question looks at the few
//! resources that cover what is asked, and the smallest rank wins.

use std::collections::HashMap;

use super::{Access, Resource, Rule};

/// A namespace's rules, in the order in which they decide.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    kinds: Named<Named<Endpoints>>,
}

/// Who wants in, as far as rules tell people apart.
#[derive(Clone, Copy)]
pub enum Asker<'a> {
    /// Without an account.
    Nobody,
    /// An account of another namespace.
    Stranger,
    /// An account with these scopes.
    Account(&'a [String]),
}

/// What the first rule that speaks of the asker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In or out.
    Says(Access),
    /// It is for accounts of the namespace: a stranger is refused there, as Micro does.
    NotForStrangers,
}

impl RuleSet {
    /// Puts rules in deciding order.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|a, b| {
            b.priority
                .cmp(&a.priority)
                .then(a.access.cmp(&b.access))
                .then(reach(a).cmp(&reach(b)))
                .then(a.id.cmp(&b.id))
        });
        let mut kinds = Named::<Named<Endpoints>>::default();
        for (rank, rule) in rules.iter().enumerate() {
            let endpoints = kinds.entry(&rule.kind).entry(&rule.name);
            endpoints.firsts(&rule.endpoint).note(rank, &rule.scope);
        }
        Self { rules, kinds }
    }

    /// The rules, in deciding order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the first rule says that covers the resource and speaks of the asker.
    pub fn first(&self, resource: &Resource<'_>, asker: Asker<'_>) -> Option<Verdict> {
        let kind = Folded::new(resource.kind);
        let name = Folded::new(resource.name);
        let endpoint = Folded::new(resource.endpoint);
        let mut found = Found::new(asker);
        for names in self.kinds.covering(&kind) {
            for endpoints in names.covering(&name) {
                endpoints.each_covering(&endpoint, |firsts| found.look(firsts));
            }
        }
        Some(match found.best? {
            (_, true) => Verdict::NotForStrangers,
            (rank, false) => Verdict::Says(self.rules[rank].access),
        })
    }
}

/// Among rules of one priority and access: those that speak of more people first.
pub fn reach(rule: &Rule) -> u8 {
    match rule.scope.as_str() {
        "" => 0,
        "+" => 1,
        "*" => 2,
        _ => 3,
    }
}

/// Values by lower-case name, and one for any name (`*`).
#[derive(Clone, Debug)]
struct Named<T> {
    any: Option<T>,
    by_name: HashMap<Box<[u8]>, T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            any: None,
            by_name: HashMap::new(),
        }
    }
}

impl<T: Default> Named<T> {
    fn entry(&mut self, name: &str) -> &mut T {
        match name {
            "*" => self.any.get_or_insert_default(),
            _ => self.by_name.entry(lower(name)).or_default(),
        }
    }

    fn covering(&self, name: &Folded) -> impl Iterator<Item = &T> {
        let named = name.whole().and_then(|name| self.by_name.get(name));
        self.any.iter().chain(named)
    }
}

/// Endpoints of one resource that rules speak of.
#[derive(Clone, Debug, Default)]
struct Endpoints {
    named: Named<Firsts>,
    /// Of `<folder>/*`: by folder, and how long these are.
    folders: HashMap<Box<[u8]>, Firsts>,
    lengths: Vec<usize>,
}

impl Endpoints {
    fn firsts(&mut self, endpoint: &str) -> &mut Firsts {
        let Some(folder) = endpoint.strip_suffix("/*") else {
            return self.named.entry(endpoint);
        };
        if let Err(at) = self.lengths.binary_search(&folder.len()) {
            self.lengths.insert(at, folder.len());
        }
        self.folders.entry(lower(folder)).or_default()
    }

    /// Those for any endpoint, for this one, and for the folders that it is or lies in.
    fn each_covering<'f>(&'f self, endpoint: &Folded, mut look: impl FnMut(&'f Firsts)) {
        self.named.covering(endpoint).for_each(&mut look);
        if !endpoint.is_path {
            return;
        }
        for length in &self.lengths {
            let folder = endpoint.head(*length).filter(|_| endpoint.ends_or_parts_at(*length));
            if let Some(firsts) = folder.and_then(|folder| self.folders.get(folder)) {
                look(firsts);
            }
        }
    }
}

/// The ranks of a resource's first rules, by whom they speak of.
#[derive(Clone, Debug, Default)]
struct Firsts {
    everybody: Option<usize>,
    anybody_with_account: Option<usize>,
    members: Option<usize>,
    by_scope: HashMap<Box<[u8]>, usize>,
    /// Of all that speak of accounts of this namespace only.
    not_for_strangers: Option<usize>,
}

impl Firsts {
    /// Rules come in deciding order: whoever was first stays.
    fn note(&mut self, rank: usize, scope: &str) {
        let first = match scope {
            "" => &mut self.everybody,
            "+" => &mut self.anybody_with_account,
            "*" => &mut self.members,
            scope => {
                self.by_scope.entry(lower(scope)).or_insert(rank);
                self.not_for_strangers.get_or_insert(rank);
                return;
            }
        };
        first.get_or_insert(rank);
        if scope == "*" {
            self.not_for_strangers.get_or_insert(rank);
        }
    }
}

/// The smallest rank so far, and whether it is of a rule that refuses strangers.
struct Found<'a> {
    asker: Asker<'a>,
    best: Option<(usize, bool)>,
}

impl<'a> Found<'a> {
    fn new(asker: Asker<'a>) -> Self {
        Self { asker, best: None }
    }

    fn look(&mut self, firsts: &Firsts) {
        self.take(firsts.everybody, false);
        match self.asker {
            Asker::Nobody => {}
            Asker::Stranger => {
                self.take(firsts.anybody_with_account, false);
                self.take(firsts.not_for_strangers, true);
            }
            Asker::Account(scopes) => {
                self.take(firsts.anybody_with_account, false);
                self.take(firsts.members, false);
                if !firsts.by_scope.is_empty() {
                    for scope in scopes {
                        let scope = Folded::new(scope);
                        self.take(scope.whole().and_then(|s| firsts.by_scope.get(s)).copied(), false);
                    }
                }
            }
        }
    }

    fn take(&mut self, rank: Option<usize>, refuses: bool) {
        let Some(rank) = rank else { return };
        if self.best.is_none_or(|(best, _)| rank < best) {
            self.best = Some((rank, refuses));
        }
    }
}

/// As much of a text in lower case as a rule can speak of, without a place on the heap.
struct Folded {
    bytes: [u8; LONGEST],
    length: usize,
    is_path: bool,
}

/// No part of a rule is longer (auth refuses it).
const LONGEST: usize = 256;

impl Folded {
    fn new(text: &str) -> Self {
        let mut bytes = [0; LONGEST];
        for (to, from) in bytes.iter_mut().zip(text.as_bytes()) {
            *to = from.to_ascii_lowercase();
        }
        Self {
            bytes,
            length: text.len(),
            is_path: text.contains('/'),
        }
    }

    /// The text, unless it is longer than any rule's.
    fn whole(&self) -> Option<&[u8]> {
        self.head(self.length)
    }

    fn head(&self, length: usize) -> Option<&[u8]> {
        (length <= self.length).then(|| self.bytes.get(..length)).flatten()
    }

    fn ends_or_parts_at(&self, at: usize) -> bool {
        at == self.length || self.bytes.get(at) == Some(&b'/')
    }
}

fn lower(text: &str) -> Box<[u8]> {
    text.to_ascii_lowercase().into_bytes().into()
}
