//! Finds a setting's word among the sources and turns it into a value, noting every problem on the way.

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr};

use secrecy::SecretString;
use url::Url;

use super::{
    settings::{COMMAND_LINE, SETTINGS, Setting},
    sources::Sources,
};

pub(super) struct Reader {
    words: BTreeMap<&'static str, String>,
    problems: RefCell<Vec<String>>,
}

impl Reader {
    pub(super) fn new(sources: &Sources) -> Self {
        let mut problems = vec![];
        let mut words = BTreeMap::new();
        let file = file_words(sources, &mut problems);
        for setting in SETTINGS {
            let told = sources
                .flags
                .get(&setting.flag())
                .or_else(|| sources.env.get(setting.env));
            let told = told.or_else(|| file.get(&setting.key()));
            if let Some(word) = told.filter(|w| !w.is_empty()) {
                words.insert(setting.env, word.clone());
            }
        }
        let known = |name: &str| SETTINGS.iter().any(|s| s.env == name) || COMMAND_LINE.contains(&name);
        for name in sources.env.keys().filter(|n| n.starts_with("MICRO_") && !known(n)) {
            problems.push(format!(
                "{name} is not a setting{}",
                did_you_mean(name, |s| s.env.to_owned())
            ));
        }
        for flag in sources
            .flags
            .keys()
            .filter(|f| !SETTINGS.iter().any(|s| s.flag() == **f))
        {
            problems.push(format!(
                "--{flag} is not a setting{}",
                did_you_mean(flag, Setting::flag)
            ));
        }
        for key in file.keys().filter(|k| !SETTINGS.iter().any(|s| s.key() == **k)) {
            problems.push(format!(
                "{key} in the file is not a setting{}",
                did_you_mean(key, Setting::key)
            ));
        }
        Self {
            words,
            problems: RefCell::new(problems),
        }
    }

    pub(super) fn problem(&self, text: impl Into<String>) {
        self.problems.borrow_mut().push(text.into());
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems.into_inner()
    }

    pub(super) fn word(&self, env: &str) -> Option<&str> {
        debug_assert!(SETTINGS.iter().any(|s| s.env == env), "{env} is not in the list");
        self.words.get(env).map(String::as_str)
    }

    pub(super) fn secret(&self, env: &str) -> Option<SecretString> {
        self.word(env).map(SecretString::from)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, env: &str, default: T, choices: &[(&str, T)]) -> T {
        let Some(word) = self.word(env) else { return default };
        match choices.iter().find(|(w, _)| *w == word) {
            Some((_, value)) => *value,
            None => {
                let words: Vec<_> = choices.iter().map(|(w, _)| *w).collect();
                self.problem(format!("{env} is {word:?}; it may be {}", words.join(", ")));
                default
            }
        }
    }

    pub(super) fn url(&self, env: &str) -> Option<Url> {
        let word = self.word(env)?;
        match Url::parse(word) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                self.problem(format!("{env} is {word:?}, which is not an http or https address"));
                None
            }
        }
    }

    /// `host:port`, or `:port`, which means `bare_host`.
    pub(super) fn address(&self, env: &str, default: &str, bare_host: &str) -> SocketAddr {
        let word = self.word(env).unwrap_or(default);
        let full = if word.starts_with(':') {
            format!("{bare_host}{word}")
        } else {
            word.replace("localhost:", "127.0.0.1:")
        };
        full.parse().unwrap_or_else(|_| {
            self.problem(format!("{env} is {word:?}, which is not ip:port or :port"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }
}

fn file_words(sources: &Sources, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let Some((path, text)) = &sources.file else {
        return BTreeMap::new();
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(e) => {
            problems.push(format!("{}: {}", path.display(), e.message()));
            return BTreeMap::new();
        }
    };
    let mut words = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::String(word) => drop(words.insert(key, word)),
            toml::Value::Integer(_) | toml::Value::Boolean(_) => drop(words.insert(key, value.to_string())),
            _ => problems.push(format!("{key} in the file must be a string, a number or a boolean")),
        }
    }
    words
}

/// ` (did you mean X?)` where a name is two edits or fewer away.
fn did_you_mean(name: &str, form: impl Fn(&Setting) -> String) -> String {
    let near = SETTINGS
        .iter()
        .map(form)
        .map(|known| (edits(name, &known), known))
        .min();
    match near {
        Some((distance, known)) if distance <= 2 => format!(" (did you mean {known}?)"),
        _ => String::new(),
    }
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
