//! Queries and forms as JSON (reference/micro-wire §7.5).

use micro_error::{Error, Kind};
use serde_json::{Map, Value};

use super::ID;

/// How deep `a[b][c]…` may go, and how many parameters there may be.
const MAX_DEPTH: usize = 8;
const MAX_PARAMS: usize = 1_000;

/// `a=1&b[c]=true&d[]=x` as `{"a":1,"b":{"c":true},"d":["x"]}`.
pub fn query(text: &str) -> Result<Map<String, Value>, Error> {
    let mut object = Map::new();
    for (count, (name, value)) in url::form_urlencoded::parse(text.as_bytes()).enumerate() {
        if count >= MAX_PARAMS {
            return Err(invalid());
        }
        let keys = keys(&name).filter(|k| k.len() <= MAX_DEPTH).ok_or_else(invalid)?;
        let (first, rest) = keys.split_first().ok_or_else(invalid)?;
        let slot = object.entry(*first).or_insert(Value::Null);
        put(slot, rest, scalar(&value)).ok_or_else(invalid)?;
    }
    Ok(object)
}

/// A form and its query as strings; what is repeated is joined with a comma.
pub fn form(query: &str, body: &[u8]) -> Result<Map<String, Value>, Error> {
    let mut object = Map::new();
    let pairs = url::form_urlencoded::parse(body).chain(url::form_urlencoded::parse(query.as_bytes()));
    for (count, (name, value)) in pairs.enumerate() {
        if count >= MAX_PARAMS {
            return Err(invalid());
        }
        match object.entry(name) {
            serde_json::map::Entry::Vacant(free) => drop(free.insert(Value::String(value.into_owned()))),
            serde_json::map::Entry::Occupied(mut taken) => {
                if let Value::String(all) = taken.get_mut() {
                    all.push(',');
                    all.push_str(&value);
                }
            }
        }
    }
    Ok(object)
}

/// A body over the parameters beside it, as a JSON merge patch (RFC 7396).
pub fn merge(under: &mut Value, over: Value) {
    let Value::Object(patch) = over else {
        *under = over;
        return;
    };
    if !under.is_object() {
        *under = Value::Object(Map::new());
    }
    let Value::Object(target) = under else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// `a[b][]` as `a`, `b`, and an empty key for the list; `a.b` likewise.
fn keys(name: &str) -> Option<Vec<&str>> {
    let (head, brackets) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut keys: Vec<_> = head.split('.').collect();
    if keys.iter().any(|k| k.is_empty()) {
        return None;
    }
    let mut rest = brackets;
    while !rest.is_empty() {
        let (key, after) = rest.strip_prefix('[')?.split_once(']')?;
        keys.push(key);
        rest = after;
    }
    Some(keys)
}

fn put(slot: &mut Value, keys: &[&str], value: Value) -> Option<()> {
    match keys.split_first() {
        None => {
            // The last of several wins, as in upstream.
            *slot = value;
        }
        Some((&"", [])) => {
            if slot.is_null() {
                *slot = Value::Array(Vec::new());
            }
            slot.as_array_mut()?.push(value);
        }
        Some((&"", _)) => return None,
        Some((key, rest)) => {
            if slot.is_null() {
                *slot = Value::Object(Map::new());
            }
            put(slot.as_object_mut()?.entry(*key).or_insert(Value::Null), rest, value)?;
        }
    }
    Some(())
}

/// Numbers, booleans and null are themselves, everything else is text.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text.to_owned()),
    }
}

fn invalid() -> Error {
    Error::new(
        Kind::Invalid,
        ID,
        "error during request: invalid url query param provided",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_objects() {
        for (text, object) in [
            ("", json!({})),
            ("a=1&b=true&c=x&d=null", json!({"a": 1, "b": true, "c": "x", "d": null})),
            ("name=Ada%20L&x=a+b", json!({"name": "Ada L", "x": "a b"})),
            ("a[b]=1&a[c][d]=x", json!({"a": {"b": 1, "c": {"d": "x"}}})),
            ("a[]=1&a[]=two", json!({"a": [1, "two"]})),
            ("a.b=1&a.c=2", json!({"a": {"b": 1, "c": 2}})),
            ("a=1&a=2", json!({"a": 2})),
            ("a={\"b\":1}", json!({"a": "{\"b\":1}"})),
        ] {
            assert_eq!(query(text).map(Value::Object).expect(text), object, "{text}");
        }
        let deep = format!("a{}=1", "[b]".repeat(MAX_DEPTH));
        for bad in [
            "a[=1",
            "a]b[=1",
            "[a]=1",
            "a[]=1&a[b]=1",
            "a[][b]=1",
            "a..b=1",
            deep.as_str(),
        ] {
            assert_eq!(query(bad).expect_err(bad).kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn parameters_are_counted() {
        let many = |count| vec!["a=1"; count].join("&");
        assert!(query(&many(MAX_PARAMS)).is_ok());
        assert!(query(&many(MAX_PARAMS + 1)).is_err());
        assert!(form("", many(MAX_PARAMS + 1).as_bytes()).is_err());
    }

    #[test]
    fn forms_are_strings() {
        let object = form("b=3", b"a=1&a=2&name=Ada+L").expect("a form");
        assert_eq!(Value::Object(object), json!({"a": "1,2", "name": "Ada L", "b": "3"}));
    }

    #[test]
    fn a_body_lies_over_its_parameters() {
        let mut under = json!({"a": 1, "b": {"c": 2, "d": 3}});
        merge(&mut under, json!({"a": null, "b": {"c": 4}, "e": 5}));
        assert_eq!(under, json!({"b": {"c": 4, "d": 3}, "e": 5}));
    }
}
