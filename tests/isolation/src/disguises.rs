//! Texts that a careless comparison, path or key takes for the victim's.

use crate::victim::Known;

/// A text, and what is wrong with it.
pub type Disguise = (&'static str, String);

/// Longer than any name.
const LONG: usize = 5_000;

/// Names that are not the namespace's, although they look like it.
pub fn of_namespace(name: &str, own: &str) -> Vec<Disguise> {
    let (first, rest) = name.split_at(1);
    vec![
        ("upper case", name.to_uppercase()),
        ("one letter of upper case", format!("{}{rest}", first.to_uppercase())),
        ("a dot behind it", format!("{name}.")),
        ("a slash behind it", format!("{name}/")),
        ("a blank behind it", format!("{name} ")),
        ("a blank before it", format!(" {name}")),
        ("a line's end", format!("{name}\n")),
        ("a tab", format!("\t{name}")),
        ("a null", format!("{name}\0")),
        ("a null and more", format!("{name}\0{own}")),
        (
            "a percent sign's spelling",
            format!("%{:02x}{rest}", name.as_bytes()[0]),
        ),
        ("a wide letter", format!("{}{rest}", wide(first))),
        (
            "a Cyrillic letter",
            name.replace('a', "\u{430}")
                .replace('e', "\u{435}")
                .replace('o', "\u{43e}"),
        ),
        ("a soft hyphen", format!("{first}\u{ad}{rest}")),
        ("a space of no width", format!("{first}\u{200b}{rest}")),
        (
            "a mark that turns the direction",
            format!("\u{202e}{}", name.chars().rev().collect::<String>()),
        ),
        ("a path from here", format!("./{name}")),
        ("a path from above", format!("../{name}")),
        ("a path through one's own", format!("{own}/../{name}")),
        ("a list", format!("{own},{name}")),
        ("another list", format!("{own}, {name}")),
        ("everything", "*".to_owned()),
        ("everything of a prefix", format!("{first}*")),
        ("a quotation mark", format!("{own}' or namespace = '{name}")),
        ("a very long name", format!("{name}{}", "x".repeat(LONG))),
    ]
}

/// Keys, topics, paths, ids that would lead out of a namespace whose name only stood before them.
pub fn of_text(known: &Known) -> Vec<Disguise> {
    let (ns, key) = (&known.namespace, &known.key);
    vec![
        ("a path from above", format!("../{ns}/{key}")),
        ("a path from far above", format!("../../../../{ns}/{key}")),
        ("a path from the root", format!("/{ns}/{key}")),
        ("a path", format!("{ns}/{key}")),
        ("a path in percent signs", format!("..%2f{ns}%2f{key}")),
        ("a path with backslashes", format!("..\\{ns}\\{key}")),
        ("a topic", format!("{ns}.{}", known.topic)),
        ("a colon", format!("{ns}:{}", known.service)),
        ("a null", format!("\0{ns}\0{key}")),
        ("a unit separator", format!("{ns}\u{1f}{key}")),
        ("line ends", format!("x\r\nmicro-namespace: {ns}\r\n\r\n")),
        ("everything", "*".to_owned()),
        ("everything of a level", format!("{ns}.>")),
        ("any text", "%".to_owned()),
        ("the end of all", "\u{10ffff}".to_owned()),
        ("a quotation mark", format!("' or namespace = '{ns}")),
        ("a very long text", format!("{ns}/{}", "x".repeat(LONG))),
    ]
}

/// Letters as wide as those of the East.
fn wide(letters: &str) -> String {
    const APART: u32 = 0xfee0;
    let wide = letters
        .chars()
        .map(|c| char::from_u32(u32::from(c) + APART).unwrap_or(c));
    wide.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_disguise_is_the_name_itself_and_none_is_another() {
        let disguises = of_namespace("calm-otter-lake", "own");
        let texts: BTreeSet<_> = disguises.iter().map(|d| d.1.as_str()).collect();
        assert_eq!(texts.len(), disguises.len());
        assert!(!texts.contains("calm-otter-lake"));
    }
}
