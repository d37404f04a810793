//! What every command is handed: where to print, what is remembered, and the way to the server.

use clap::ValueEnum;
use micro_clock::{Clock, SystemClock};
use time::OffsetDateTime;

use crate::{
    envs::{self, Env},
    exit::Result,
    home::{Config, Home},
    out::Out,
};

/// The namespace of a server that has only one, and of the platform itself.
pub const DEFAULT_NAMESPACE: &str = "micro";

/// Handed to every command.
pub struct Ctx {
    /// Where to print.
    pub out: Out,
    /// What is remembered.
    pub home: Home,
    env: Option<String>,
}

impl Ctx {
    /// For the person who runs this, with the environment asked for by flag or variable.
    pub fn new(out: Out, env: Option<String>) -> Result<Self> {
        Ok(Self {
            out,
            home: Home::of_user()?,
            env: env.filter(|e| !e.is_empty()),
        })
    }

    /// The same for another environment, if one is named.
    pub fn of_env(&self, env: Option<String>) -> Result<Self> {
        Self::new(self.out, env.or_else(|| self.env.clone()))
    }

    /// `config.json` as it is now.
    pub fn config(&self) -> Result<Config> {
        self.home.config().load()
    }

    /// The environment this command is for.
    pub fn env(&self) -> Result<Env> {
        envs::resolve(&self.config()?, self.env.as_deref())
    }

    /// Has another command of ours print and call as this one was told to.
    pub fn tell_env(&self, command: &mut std::process::Command) {
        let form = self.out.form().to_possible_value();
        command.envs(form.map(|form| ("MICRO_OUTPUT", form.get_name().to_owned())));
        command.envs(self.env.iter().map(|name| ("MICRO_ENV", name)));
    }

    /// The namespace in use in an environment.
    pub fn namespace(&self, env: &Env) -> Result<String> {
        Ok(current_namespace(&self.config()?, env).unwrap_or_else(|| DEFAULT_NAMESPACE.into()))
    }

    /// What time it is.
    pub fn now(&self) -> OffsetDateTime {
        SystemClock.now()
    }
}

/// The namespace that was set for an environment, by hand or by a login.
pub fn current_namespace(config: &Config, env: &Env) -> Option<String> {
    config
        .get(&format!("namespaces.{}.current", env.name))
        .filter(|ns| !ns.is_empty())
}
