//! A namespace's configuration as a tree of names. Objects are inner nodes and are merged; every other JSON value
//! is a leaf, kept as its text, so that numbers stay as they were written; a secret is a sealed leaf.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Refusal, keys::Sealed, path::Path};

/// How many names deep a value may lie: what is stored must be readable again.
pub const DEPTH: usize = 32;
/// What is shown in place of a secret.
const MASK: &str = "\"[secret]\"";

/// The named parts of an object.
pub type Map = BTreeMap<String, Node>;

/// One node as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub enum Node {
    /// An object.
    #[serde(rename = "m")]
    Map(Map),
    /// The JSON text of anything else.
    #[serde(rename = "v")]
    Value(String),
    /// The sealed JSON text of anything else.
    #[serde(rename = "s")]
    Secret(Sealed),
}

/// A value on its way into the tree.
#[derive(Clone)]
pub enum Incoming {
    /// An object.
    Map(BTreeMap<String, Incoming>),
    /// The JSON text of anything else.
    Leaf(String),
}

impl Incoming {
    /// Reads JSON text for a place so many names deep.
    pub fn parse(text: &str, depth: usize) -> Result<Self, Refusal> {
        let whole: &RawValue = serde_json::from_str(text).map_err(invalid)?;
        Self::of(whole.get(), depth)
    }

    fn of(text: &str, depth: usize) -> Result<Self, Refusal> {
        if depth > DEPTH {
            return Err(Refusal::Depth(DEPTH));
        }
        if !text.starts_with('{') {
            return Ok(Self::Leaf(compact(text)));
        }
        let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(invalid)?;
        let parts = parts
            .into_iter()
            .map(|(name, part)| Ok((name, Self::of(part.get(), depth + 1)?)));
        parts.collect::<Result<_, _>>().map(Self::Map)
    }

    /// The object that has this value at that path.
    fn under(self, names: &[String]) -> Self {
        let wrap = |value, name: &String| Self::Map(BTreeMap::from([(name.clone(), value)]));
        names.iter().rev().fold(self, wrap)
    }
}

/// Makes the node of a leaf, given where it lies.
pub type MakeLeaf<'l> = &'l dyn Fn(&[String], String) -> Result<Node, Refusal>;
/// Opens a secret, given where it lies; without it secrets are masked.
pub type Open<'o> = Option<&'o dyn Fn(&[String], &Sealed) -> Result<String, Refusal>>;

/// Makes a secret anew, given where it lies; none where it is to stay.
pub type Renew<'r> = &'r dyn Fn(&[String], &Sealed) -> Result<Option<Sealed>, Refusal>;

/// Sets the value at a path: objects are merged name by name, anything else replaces what was there.
pub fn set(root: &mut Map, path: &Path, value: Incoming, leaf: MakeLeaf<'_>) -> Result<(), Refusal> {
    no_array_on_the_way(root, path)?;
    match value.under(path.names()) {
        Incoming::Map(parts) => merge(root, parts, &mut Vec::new(), leaf),
        Incoming::Leaf(_) => Err(Refusal::Whole),
    }
}

/// Removes what is at a path, if anything is.
pub fn delete(root: &mut Map, path: &Path) -> Result<(), Refusal> {
    no_array_on_the_way(root, path)?;
    let Some((last, names)) = path.names().split_last() else {
        root.clear();
        return Ok(());
    };
    let mut map = root;
    for name in names {
        match map.get_mut(name) {
            Some(Node::Map(inner)) => map = inner,
            _ => return Ok(()),
        }
    }
    map.remove(last);
    Ok(())
}

/// The JSON text of what is at a path, into arrays too. Secrets are opened or masked.
pub fn get(root: &Map, path: &Path, open: Open<'_>) -> Result<Option<String>, Refusal> {
    let mut map = root;
    for (depth, name) in path.names().iter().enumerate() {
        let (at, rest) = path.names().split_at(depth + 1);
        match map.get(name) {
            Some(Node::Map(inner)) => map = inner,
            Some(Node::Value(text)) => return within(text, rest),
            Some(Node::Secret(_)) if open.is_none() => return Ok(Some(MASK.into())),
            Some(Node::Secret(sealed)) => return within(&shown(at, sealed, open)?, rest),
            None => return Ok(None),
        }
    }
    let mut text = String::new();
    render(map, &mut path.names().to_vec(), open, &mut text)?;
    Ok(Some(text))
}

/// Makes each secret anew; how many were not to stay.
pub fn renew(map: &mut Map, at: &mut Vec<String>, renew_one: Renew<'_>) -> Result<u64, Refusal> {
    let mut renewed = 0;
    for (name, node) in map {
        at.push(name.clone());
        match node {
            Node::Map(inner) => renewed += renew(inner, at, renew_one)?,
            Node::Secret(sealed) => {
                if let Some(fresh) = renew_one(at, sealed)? {
                    *sealed = fresh;
                    renewed += 1;
                }
            }
            Node::Value(_) => {}
        }
        at.pop();
    }
    Ok(renewed)
}

fn merge(
    map: &mut Map,
    parts: BTreeMap<String, Incoming>,
    at: &mut Vec<String>,
    leaf: MakeLeaf<'_>,
) -> Result<(), Refusal> {
    for (name, part) in parts {
        at.push(name.clone());
        let node = match part {
            Incoming::Leaf(text) => leaf(at, text)?,
            Incoming::Map(parts) => {
                let mut inner = match map.remove(&name) {
                    Some(Node::Map(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, parts, at, leaf)?;
                Node::Map(inner)
            }
        };
        map.insert(name, node);
        at.pop();
    }
    Ok(())
}

/// A path that names a place in an array would silently replace the array by an object.
fn no_array_on_the_way(root: &Map, path: &Path) -> Result<(), Refusal> {
    let mut map = root;
    for (depth, name) in path.names().iter().enumerate() {
        match map.get(name) {
            Some(Node::Map(inner)) => map = inner,
            Some(Node::Value(text)) if text.starts_with('[') && depth + 1 < path.names().len() => {
                return Err(Refusal::Array(path.names()[..=depth].join(".")));
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn shown(at: &[String], sealed: &Sealed, open: Open<'_>) -> Result<String, Refusal> {
    open.map_or_else(|| Ok(MASK.into()), |open| open(at, sealed))
}

fn render(map: &Map, at: &mut Vec<String>, open: Open<'_>, text: &mut String) -> Result<(), Refusal> {
    text.push('{');
    for (place, (name, node)) in map.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name.as_str()).to_string());
        text.push(':');
        at.push(name.clone());
        match node {
            Node::Map(inner) => render(inner, at, open, text)?,
            Node::Value(leaf) => text.push_str(leaf),
            Node::Secret(sealed) => text.push_str(&shown(at, sealed, open)?),
        }
        at.pop();
    }
    text.push('}');
    Ok(())
}

/// What is at a path inside a leaf: arrays by index, objects in them by name.
fn within(text: &str, names: &[String]) -> Result<Option<String>, Refusal> {
    let Some((name, rest)) = names.split_first() else {
        return Ok(Some(text.to_owned()));
    };
    let part = match text.as_bytes().first() {
        Some(b'[') => {
            let parts: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(invalid)?;
            let index = name.bytes().all(|b| b.is_ascii_digit()).then(|| name.parse::<usize>());
            index
                .and_then(Result::ok)
                .and_then(|index| parts.into_iter().nth(index))
        }
        Some(b'{') => {
            let mut parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(invalid)?;
            parts.remove(name)
        }
        _ => None,
    };
    part.map_or(Ok(None), |part| within(part.get(), rest))
}

fn invalid(error: serde_json::Error) -> Refusal {
    // Of the reasons for which text is no JSON, none quotes it.
    Refusal::Json(error.to_string())
}

/// Valid JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut quoted = false;
    let mut escaped = false;
    for c in json.chars() {
        if !quoted && c.is_ascii_whitespace() {
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(_: &[String], text: String) -> Result<Node, Refusal> {
        Ok(Node::Value(text))
    }

    fn path(text: &str) -> Path {
        Path::parse(text).expect("a path")
    }

    fn tree(changes: &[(&str, &str)]) -> Map {
        let mut root = Map::new();
        for (at, value) in changes {
            let value = Incoming::parse(value, path(at).names().len()).expect("JSON");
            set(&mut root, &path(at), value, &plain).expect("set");
        }
        root
    }

    fn shown(root: &Map, at: &str) -> Option<String> {
        get(root, &path(at), None).expect("readable")
    }

    #[test]
    fn objects_merge_and_everything_else_replaces() {
        let root = tree(&[
            ("a", r#"{"x":1,"y":{"z":2}}"#),
            ("a.y", r#"{"w":[1, 2]}"#),
            ("a.x", "null"),
            ("b.c", "\"s\""),
        ]);
        assert_eq!(
            shown(&root, "").as_deref(),
            Some(r#"{"a":{"x":null,"y":{"w":[1,2],"z":2}},"b":{"c":"s"}}"#)
        );
        assert_eq!(
            shown(&tree(&[("a", "1"), ("a.b", "2")]), "").as_deref(),
            Some(r#"{"a":{"b":2}}"#)
        );
        assert_eq!(
            shown(&tree(&[("a.b", "2"), ("a", "[]")]), "").as_deref(),
            Some(r#"{"a":[]}"#)
        );
    }

    #[test]
    fn arrays_are_read_by_index_and_changed_whole() {
        let mut root = tree(&[("l", r#"[10, {"n": [2.50]}]"#)]);
        assert_eq!(shown(&root, "l.0").as_deref(), Some("10"));
        assert_eq!(shown(&root, "l.1.n.0").as_deref(), Some("2.50"));
        for nothing in ["l.2", "l.+1", "l.x", "l.0.0", "l.1.m", "m"] {
            assert_eq!(shown(&root, nothing), None, "{nothing}");
        }
        let value = Incoming::parse("1", 2).expect("JSON");
        assert!(matches!(set(&mut root, &path("l.0"), value, &plain), Err(Refusal::Array(at)) if at == "l"));
        assert!(matches!(delete(&mut root, &path("l.0")), Err(Refusal::Array(_))));
        delete(&mut root, &path("l")).expect("whole");
        assert_eq!(shown(&root, "").as_deref(), Some("{}"));
    }

    #[test]
    fn numbers_and_texts_stay_as_they_are_written() {
        for value in [
            "12345678901234567890123",
            "1.10",
            "\"a \\\" b\\\\\"",
            "\"  \"",
            "-0",
            "[\"a b\",\"\\\\\"]",
        ] {
            assert_eq!(shown(&tree(&[("a", value)]), "a").as_deref(), Some(value));
        }
        assert_eq!(compact("[ 1,\n \" x \\\" \" ,\t{ } ]"), "[1,\" x \\\" \",{}]");
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        for bad in ["", "{", "nope", "{\"a\":}", "1 2", "{a:1}"] {
            assert!(matches!(Incoming::parse(bad, 0), Err(Refusal::Json(_))), "{bad}");
        }
        let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(Incoming::parse(&deep(DEPTH), 0).is_ok());
        assert!(matches!(Incoming::parse(&deep(DEPTH), 1), Err(Refusal::Depth(_))));
        let deepest = tree(&[("a", &deep(DEPTH - 1))]);
        let stored = serde_json::to_vec(&deepest).expect("text");
        assert!(
            serde_json::from_slice::<Map>(&stored).is_ok(),
            "what is stored is readable"
        );
        assert!(Incoming::parse(&"[".repeat(100_000), 0).is_err());
    }
}
