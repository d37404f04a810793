//! A service's registered schema, seen from the command line: which flags an endpoint takes, and the JSON that
//! they make (reference/micro-wire §4.6, §9.2).

use base64::{Engine, prelude::BASE64_STANDARD};
use micro_proto::registry::{Endpoint, Service, Value as Field};
use serde_json::{Map, Number, Value, json};

use crate::exit::{Exit, Failure, Result};

/// A flag and every value it was given.
pub type Flag = (String, Vec<String>);

/// Words and flags of a dynamic command: `hello --name Ada --loud`.
pub fn split(args: &[String]) -> Result<(Vec<String>, Vec<Flag>)> {
    let words = args
        .iter()
        .take_while(|a| !a.starts_with('-'))
        .cloned()
        .collect::<Vec<_>>();
    let mut flags: Vec<Flag> = Vec::new();
    let mut rest = args[words.len()..].iter().peekable();
    while let Some(arg) = rest.next() {
        let invalid = || Failure::new(Exit::Error, format!("Invalid flag: {arg}. Expected format: --foo=bar"));
        let body = arg
            .strip_prefix("--")
            .or_else(|| arg.strip_prefix('-'))
            .ok_or_else(invalid)?;
        let (name, value) = match body.split_once('=') {
            Some((_, value)) if value.contains('=') => return Err(invalid()),
            Some((name, value)) => (name, value.to_owned()),
            None => (
                body,
                rest.next_if(|next| !next.starts_with('-'))
                    .cloned()
                    .unwrap_or_else(|| "true".into()),
            ),
        };
        match flags.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => flags.push((name.to_owned(), vec![value])),
        }
    }
    Ok((words, flags))
}

/// The endpoint's registered name for a service and the words behind it: `Greeter.Hello`.
pub fn endpoint_name(service: &str, words: &[String]) -> Result<String> {
    let title = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|c| c.to_uppercase().chain(chars).collect::<String>())
            .unwrap_or_default()
    };
    match words {
        [] => Ok(format!("{}.Call", title(service))),
        [method] => Ok(format!("{}.{}", title(service), title(method))),
        [handler, method] => Ok(format!("{}.{}", title(handler), title(method))),
        _ => Err(Failure::new(Exit::Error, "Incorrect number of arguments")),
    }
}

/// The endpoint of that name: exactly, or as people write it (`hello-world` for `HelloWorld`).
pub fn find_endpoint<'s>(service: &'s Service, name: &str) -> Result<&'s Endpoint> {
    let plain = |text: &str| {
        text.chars()
            .filter(|c| !matches!(c, '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let exact = service.endpoints.iter().find(|e| e.name == name);
    let alike = || service.endpoints.iter().find(|e| plain(&e.name) == plain(name));
    exact.or_else(alike).ok_or_else(|| {
        Failure::new(
            Exit::Error,
            format!("Endpoint {name} not found for service {}", service.name),
        )
    })
}

/// The request that flags make.
pub fn request(endpoint: &Endpoint, flags: &[Flag]) -> Result<Value> {
    let fields = endpoint.request.as_ref().map_or(&[][..], |r| &r.values);
    let mut body = Map::new();
    for (name, values) in flags {
        let (path, kind) =
            resolve(fields, name).ok_or_else(|| Failure::new(Exit::Error, format!("Unknown flag: {name}")))?;
        let value = typed(kind, values)
            .ok_or_else(|| Failure::new(Exit::Error, format!("Invalid value for flag {name}: expected {kind}")))?;
        put(&mut body, &path, value);
    }
    Ok(Value::Object(body))
}

/// Every flag that an endpoint takes, with its type.
pub fn flags(endpoint: &Endpoint) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(endpoint.request.as_ref().map_or(&[][..], |r| &r.values), "", &mut found);
    found
}

fn collect(fields: &[Field], prefix: &str, found: &mut Vec<(String, String)>) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        if field.values.is_empty() {
            found.push((name, field.r#type.clone()));
        } else {
            collect(&field.values, &format!("{name}_"), found);
        }
    }
}

/// The field that a flag means. A field's own name wins over nesting: `customer_id` is the field `customer_id`
/// where there is one, and `id` of `customer` otherwise.
fn resolve<'f>(fields: &'f [Field], flag: &str) -> Option<(Vec<&'f str>, &'f str)> {
    let same = |a: &str, b: &str| a == b || a.replace('_', "-") == b;
    if let Some(field) = fields.iter().find(|f| same(&f.name, flag)) {
        return Some((vec![field.name.as_str()], field.r#type.as_str()));
    }
    fields.iter().filter(|f| !f.values.is_empty()).find_map(|field| {
        let rest = flag.strip_prefix(field.name.as_str())?.strip_prefix(['_', '-'])?;
        let (mut path, kind) = resolve(&field.values, rest)?;
        path.insert(0, field.name.as_str());
        Some((path, kind))
    })
}

fn put(body: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            body.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let next = body.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(next) = next {
                put(next, rest, value);
            }
        }
    }
}

/// Values as their registered type; `None` where they are none of it.
fn typed(kind: &str, values: &[String]) -> Option<Value> {
    let last = values.last()?;
    if kind == "[]uint8" || kind == "bytes" {
        return Some(json!(BASE64_STANDARD.encode(last)));
    }
    if let Some(element) = kind.strip_prefix("[]") {
        let split = |one: &str| one.split(',').map(str::to_owned).collect();
        let all: Vec<String> = match values {
            [one] if one.trim_start().starts_with('[') => return serde_json::from_str(one).ok(),
            [one] if one.trim_start().starts_with('{') => vec![one.clone()],
            [one] => split(one),
            many => many.to_vec(),
        };
        return all
            .iter()
            .map(|v| scalar(element, v))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array);
    }
    if kind.starts_with("map[") {
        return map(kind, values);
    }
    scalar(kind, last)
}

/// `--labels a=1 --labels b=2`, or one JSON object.
fn map(kind: &str, values: &[String]) -> Option<Value> {
    if let [one] = values
        && one.trim_start().starts_with('{')
    {
        return serde_json::from_str(one).ok();
    }
    let element = kind.split_once(']').map_or("string", |(_, element)| element);
    let entry = |pair: &String| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), scalar(element, value)?))
    };
    values
        .iter()
        .map(entry)
        .collect::<Option<Map<_, _>>>()
        .map(Value::Object)
}

fn scalar(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "string" => Some(json!(text)),
        "bool" => text.parse::<bool>().ok().map(Value::Bool),
        "int32" | "int64" | "int" => integer(text).and_then(|n| i64::try_from(n).ok()).map(|n| json!(n)),
        "uint32" | "uint64" | "uint" => integer(text).and_then(|n| u64::try_from(n).ok()).map(|n| json!(n)),
        "float32" | "float64" | "float" | "double" => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
        // A message or an enum: JSON where it is JSON, a word otherwise.
        _ => match serde_json::from_str(text) {
            Ok(value) => Some(value),
            Err(_) => Some(json!(text)),
        },
    }
}

/// A whole number in base ten, or behind `0x`, `0o`, `0b`.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    i128::from_str_radix(digits, radix).ok().map(|n| sign * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: &str, values: Vec<Field>) -> Field {
        Field {
            name: name.into(),
            r#type: kind.into(),
            values,
        }
    }

    fn endpoint() -> Endpoint {
        let values = vec![
            field("name", "string", vec![]),
            field("customer_id", "int64", vec![]),
            field(
                "options",
                "Options",
                vec![
                    field("ttl", "int64", vec![]),
                    field("deep_er", "O", vec![field("x", "bool", vec![])]),
                ],
            ),
            field("tags", "[]string", vec![]),
            field("sizes", "[]uint32", vec![]),
            field("labels", "map[string]int64", vec![]),
            field("ratio", "float64", vec![]),
            field("items", "[]Item", vec![]),
        ];
        Endpoint {
            name: "Shop.Buy".into(),
            request: Some(field("R", "R", values)),
            response: None,
            metadata: Default::default(),
        }
    }

    fn made(args: &[&str]) -> Result<Value> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        request(&endpoint(), &split(&args)?.1)
    }

    #[test]
    fn flags_become_the_request_that_the_schema_asks_for() {
        let body = made(&[
            "--name=Ada",
            "--customer_id",
            "7",
            "--options_ttl=0x10",
            "--options_deep_er_x",
            "--tags",
            "a,b",
            "--sizes",
            "1",
            "--sizes",
            "2",
            "--labels",
            "a=1",
            "--ratio=1.5",
            r#"--items={"n":1}"#,
        ]);
        assert_eq!(
            body.expect("a request"),
            json!({
                "name": "Ada", "customer_id": 7, "options": {"ttl": 16, "deep_er": {"x": true}}, "tags": ["a", "b"],
                "sizes": [1, 2], "labels": {"a": 1}, "ratio": 1.5, "items": [{"n": 1}],
            })
        );
    }

    #[test]
    fn wrong_flags_are_named() {
        let message = |args: &[&str]| made(args).expect_err("refused").message;
        assert_eq!(message(&["--nope", "1"]), "Unknown flag: nope");
        assert_eq!(
            message(&["--name=a=b"]),
            "Invalid flag: --name=a=b. Expected format: --foo=bar"
        );
        assert_eq!(
            message(&["--name", "a", "stray"]),
            "Invalid flag: stray. Expected format: --foo=bar"
        );
        assert_eq!(
            message(&["--customer_id=x"]),
            "Invalid value for flag customer_id: expected int64"
        );
        assert_eq!(
            message(&["--sizes=-1"]),
            "Invalid value for flag sizes: expected []uint32"
        );
    }

    #[test]
    fn words_name_an_endpoint() {
        let name = |service: &str, words: &[&str]| {
            endpoint_name(service, &words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).map_err(|f| f.message)
        };
        assert_eq!(name("helloworld", &[]).as_deref(), Ok("Helloworld.Call"));
        assert_eq!(name("greeter", &["hello"]).as_deref(), Ok("Greeter.Hello"));
        assert_eq!(name("events", &["stream", "publish"]).as_deref(), Ok("Stream.Publish"));
        assert_eq!(name("a", &["b", "c", "d"]), Err("Incorrect number of arguments".into()));
    }
}
