//! Three words: easy to say over a telephone, and too many to guess.

use std::sync::LazyLock;

use micro_domain::NamespaceName;
use rand::seq::IndexedRandom;

static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());

/// Names that mean something here or elsewhere. None has three words today; a shorter list of words, or
/// names of people's own choice, must still not give them away.
pub const RESERVED: [&str; 28] = [
    "admin",
    "api",
    "app",
    "apps",
    "auth",
    "billing",
    "blog",
    "console",
    "core",
    "default",
    "docs",
    "health",
    "help",
    "localhost",
    "login",
    "mail",
    "micro",
    "operators",
    "platform",
    "public",
    "root",
    "server",
    "services",
    "signup",
    "status",
    "support",
    "system",
    "www",
];

/// Whether a name may be given to somebody.
pub(crate) fn is_free_to_give(name: &NamespaceName) -> bool {
    RESERVED.binary_search(&name.as_str()).is_err()
}

/// A throw of three different words.
pub(crate) fn throw() -> NamespaceName {
    let three: Vec<&str> = WORDS.choose_multiple(&mut rand::rng(), 3).copied().collect();
    NamespaceName::parse(three.join("-")).expect("words are letters, and three of them fit")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_words_are_many_short_and_plain() {
        assert!(WORDS.len() >= 1024, "{}", WORDS.len());
        assert_eq!(WORDS.iter().collect::<HashSet<_>>().len(), WORDS.len(), "each once");
        for word in WORDS.iter() {
            assert!(
                (3..=9).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()),
                "{word}"
            );
        }
    }

    #[test]
    fn a_throw_is_a_name_of_three_words() {
        for _ in 0..100 {
            let name = throw();
            let words: HashSet<&str> = name.as_str().split('-').collect();
            assert_eq!(words.len(), 3, "{name}");
            assert!(is_free_to_give(&name));
        }
    }

    #[test]
    fn reserved_names_are_sorted_and_refused() {
        assert!(RESERVED.is_sorted());
        for name in RESERVED {
            assert!(!is_free_to_give(&NamespaceName::parse(name).expect("valid")), "{name}");
        }
    }
}
