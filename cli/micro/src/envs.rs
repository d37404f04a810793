//! Environments: the servers this CLI knows by name (reference/micro-wire §4.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    exit::{Exit, Failure, Result},
    home::Config,
};

/// One server's name, address and description, as `config.json` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Env {
    /// What people call it.
    #[serde(rename = "Name")]
    pub name: String,
    /// `HOST:PORT`; without a port it is 443 with TLS.
    #[serde(rename = "ProxyAddress", default)]
    pub address: String,
    /// For people.
    #[serde(rename = "Description", default)]
    pub description: String,
}

/// Names that are other keys of `config.json`.
const RESERVED: [&str; 5] = ["env", "envs", "namespaces", "git", "micro"];
const PLATFORM: &str = match option_env!("MICRO_PLATFORM_ADDRESS") {
    Some(address) => address,
    None => "proxy.m3o.com",
};
const DEV: &str = match option_env!("MICRO_DEV_ADDRESS") {
    Some(address) => address,
    None => "proxy.m3o.dev",
};

fn builtin() -> [Env; 3] {
    [
        ("local", "127.0.0.1:8081", "Local running Micro Server"),
        ("dev", DEV, "Cloud hosted development environment"),
        ("platform", PLATFORM, "Cloud hosted Micro Platform"),
    ]
    .map(|(name, address, description)| Env {
        name: name.into(),
        address: address.into(),
        description: description.into(),
    })
}

/// Every environment, by name: the person's own and the built-in ones.
pub fn all(config: &Config) -> Result<BTreeMap<String, Env>> {
    let mut envs: BTreeMap<String, Env> = match config.get("envs") {
        Some(text) => serde_json::from_str(&text).map_err(|e| Failure::because("reading the key `envs`", e))?,
        None => BTreeMap::new(),
    };
    envs.extend(builtin().map(|env| (env.name.clone(), env)));
    Ok(envs)
}

/// The name of the environment in use.
pub fn current_name(config: &Config) -> String {
    config
        .get("env")
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "local".into())
}

/// The environment asked for, or the one in use.
pub fn resolve(config: &Config, asked: Option<&str>) -> Result<Env> {
    let name = asked.map_or_else(|| current_name(config), str::to_owned);
    find(config, &name)?.ok_or_else(|| {
        Failure::plain(format!(
            "Env \"{name}\" not found. See `micro env` for available environments."
        ))
    })
}

/// The environment of that name, or the one it is another name of.
pub fn find(config: &Config, name: &str) -> Result<Option<Env>> {
    let mut envs = all(config)?;
    let alias = if name == "server" { "local" } else { name };
    Ok(envs.remove(name).or_else(|| envs.remove(alias)))
}

/// [`find`], or Micro's words for a name that is none.
pub fn get(config: &Config, name: &str) -> Result<Env> {
    find(config, name)?.ok_or_else(|| Failure::new(Exit::Error, format!("Environment '{name}' does not exist")))
}

/// Adds an environment, or gives it another address.
pub fn add(config: &mut Config, name: &str, address: &str) -> Result<()> {
    if name.is_empty() || RESERVED.contains(&name) || name.contains(char::is_whitespace) {
        return Err(Failure::plain(format!("an environment cannot be named {name:?}")));
    }
    let env = Env {
        name: name.into(),
        address: address.into(),
        description: String::new(),
    };
    let mut envs = all(config)?;
    envs.insert(name.into(), env);
    store(config, &envs)
}

/// Removes an environment; the built-in ones come back by themselves.
pub fn remove(config: &mut Config, name: &str) -> Result<()> {
    let env = get(config, name)?;
    if env.name == current_name(config) {
        return Err(Failure::new(
            Exit::Error,
            format!("Environment '{name}' is in use. Set another one first."),
        ));
    }
    let mut envs = all(config)?;
    envs.remove(&env.name);
    store(config, &envs)
}

fn store(config: &mut Config, envs: &BTreeMap<String, Env>) -> Result<()> {
    let text = serde_json::to_string(envs).map_err(|e| Failure::because("writing JSON", e))?;
    config.set("envs", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_always_there() {
        let mut config = Config::default();
        add(&mut config, "home", "127.0.0.1:9000").expect("added");
        add(&mut config, "local", "elsewhere:1").expect("overwritten, and restored on read");
        let names: Vec<_> = all(&config).expect("readable").into_keys().collect();
        assert_eq!(names, ["dev", "home", "local", "platform"]);
        assert_eq!(resolve(&config, None).expect("local").address, "127.0.0.1:8081");
        assert_eq!(resolve(&config, Some("server")).expect("an alias").name, "local");
        assert_eq!(resolve(&config, Some("home")).expect("added").address, "127.0.0.1:9000");
    }

    #[test]
    fn unknown_ones_are_refused_in_micros_words() {
        let mut config = Config::default();
        let failure = resolve(&config, Some("nope")).expect_err("unknown");
        assert_eq!(
            failure.message,
            "Env \"nope\" not found. See `micro env` for available environments."
        );
        assert_eq!(failure.exit, Exit::Failed);
        let failure = remove(&mut config, "nope").expect_err("unknown");
        assert_eq!(failure, Failure::new(Exit::Error, "Environment 'nope' does not exist"));
        for bad in ["", "env", "namespaces", "a b"] {
            assert!(add(&mut config, bad, "").is_err(), "{bad:?}");
        }
        assert!(remove(&mut config, "local").is_err(), "it is in use");
    }
}
