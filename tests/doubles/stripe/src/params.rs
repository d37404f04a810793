//! Form-encoded parameters as Stripe reads them: nested names, arrays, and a list of what is allowed.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{error::Refusal, objects::is_page};

/// The parameters of one request, by the name that was sent and by its shape (`items[0][price]` → `items[][price]`).
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<Pair>);

#[derive(Clone, Debug)]
struct Pair {
    sent: String,
    shape: String,
    value: String,
}

impl Params {
    /// Reads `a=b&c[d]=e`.
    pub fn parse(encoded: &str) -> Self {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let sent = decode(name);
            Pair {
                shape: shape(&sent),
                sent,
                value: decode(value),
            }
        };
        Self(encoded.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }

    /// Both lists, the query's first.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Refuses the first parameter that is not in `allowed`; `name[*]` allows any key. Lists also take a page's.
    pub fn only(&self, allowed: &[&str], list: bool) -> Result<(), Refusal> {
        let known = |pair: &Pair| {
            allowed.iter().any(|a| match a.strip_suffix("[*]") {
                Some(map) => {
                    pair.sent
                        .strip_prefix(map)
                        .is_some_and(|k| k.starts_with('[') && k.ends_with(']'))
                        || pair.sent == map
                }
                None => pair.shape == *a,
            })
        };
        match self
            .0
            .iter()
            .find(|p| p.shape != "expand[]" && !(list && is_page(&p.shape)) && !known(p))
        {
            Some(p) => {
                let message = format!("Received unknown parameter: {}", p.sent);
                Err(Refusal::invalid("parameter_unknown", &p.sent, message))
            }
            None => Ok(()),
        }
    }

    /// The first value under a shape; empty counts as absent.
    pub fn text(&self, shape: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|p| p.shape == shape)
            .map(|p| p.value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// Every value under a shape, in order.
    pub fn all<'a>(&'a self, shape: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |p| p.shape == shape)
            .map(|p| p.value.as_str())
    }

    /// The value, or 400 `parameter_missing`.
    pub fn required(&self, shape: &str) -> Result<&str, Refusal> {
        self.text(shape).ok_or_else(|| Refusal::missing(shape))
    }

    /// A whole number.
    pub fn integer(&self, shape: &str) -> Result<Option<i64>, Refusal> {
        let read = |v: &str| {
            v.parse()
                .map_err(|_| Refusal::invalid("parameter_invalid_integer", shape, format!("Invalid integer: {v}")))
        };
        self.text(shape).map(read).transpose()
    }

    /// `true` or `false`.
    pub fn boolean(&self, shape: &str) -> Result<Option<bool>, Refusal> {
        let read = |v: &str| {
            v.parse()
                .map_err(|_| Refusal::invalid("parameter_invalid_boolean", shape, format!("Invalid boolean: {v}")))
        };
        self.text(shape).map(read).transpose()
    }

    /// A word out of a list. A word Stripe does not know is 400, one the double does not model is 501.
    pub fn word<'a>(
        &'a self,
        shape: &str,
        default: &'a str,
        modelled: &[&str],
        stripes: &[&str],
    ) -> Result<&'a str, Refusal> {
        let word = self.text(shape).unwrap_or(default);
        if modelled.contains(&word) {
            return Ok(word);
        }
        if stripes.contains(&word) {
            return Err(Refusal::not_modelled(&format!("{shape}={word}")));
        }
        let known: Vec<_> = modelled.iter().chain(stripes).copied().collect();
        Err(Refusal::invalid(
            "parameter_invalid_enum",
            shape,
            format!("Invalid {shape}: must be one of {}", known.join(", ")),
        ))
    }

    /// Changes `metadata` as the request asks: an empty value removes a key.
    pub fn metadata(&self, into: &mut Map<String, Value>) {
        self.map("metadata", into);
    }

    /// [`Self::metadata`] for a map of another name (`setup_intent_data[metadata]`).
    pub fn map(&self, name: &str, into: &mut Map<String, Value>) {
        for pair in &self.0 {
            let key = pair
                .sent
                .strip_prefix(name)
                .and_then(|k| k.strip_prefix('['))
                .and_then(|k| k.strip_suffix(']'));
            let Some(key) = key else { continue };
            if pair.value.is_empty() {
                into.remove(key);
            } else {
                into.insert(key.into(), pair.value.clone().into());
            }
        }
    }

    /// Whether anything was sent under this name.
    pub fn has(&self, shape: &str) -> bool {
        self.0.iter().any(|p| p.shape == shape)
    }

    /// What tells two requests with one idempotency key apart, whatever the order of their parameters.
    pub fn fingerprint(&self) -> BTreeMap<&str, &str> {
        self.0.iter().map(|p| (p.sent.as_str(), p.value.as_str())).collect()
    }
}

fn shape(sent: &str) -> String {
    let mut parts = sent.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let key = part.trim_end_matches(']');
        let index = key.bytes().all(|b| b.is_ascii_digit());
        out.push('[');
        out.push_str(if index { "" } else { key });
        out.push(']');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_and_arrays_are_read() {
        let p = Params::parse("items%5B0%5D%5Bprice%5D=price_1&metadata[a]=b+c&expand[]=x&expand[]=y&email=");
        assert_eq!(p.text("items[][price]"), Some("price_1"));
        assert_eq!(p.all("expand[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(p.text("email"), None);
        let mut metadata = Map::new();
        p.metadata(&mut metadata);
        assert_eq!(metadata["a"], "b c");
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        let p = Params::parse("email=a&metadata[x]=1&emial=b");
        let refusal = p.only(&["email", "metadata[*]"], false).expect_err("emial");
        assert_eq!(
            (
                refusal.status,
                refusal.error["code"].as_str(),
                refusal.error["param"].as_str()
            ),
            (400, Some("parameter_unknown"), Some("emial"))
        );
    }
}
