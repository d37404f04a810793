//! `micro env list`.

use serde_json::json;

use crate::{
    ctx::Ctx,
    envs::{self, Env},
    exit::{Exit, Result},
    table::{self, Fill},
};

/// List the environments
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result {
    let config = ctx.config()?;
    let current = ctx.env().map_or_else(|_| envs::current_name(&config), |env| env.name);
    let envs: Vec<Env> = envs::all(&config)?.into_values().collect();
    if ctx.out.json() {
        let rows = envs.iter().map(|e| {
            json!({"name": e.name, "address": e.address, "description": e.description, "current": e.name == current})
        });
        ctx.out.value(&rows.collect::<Vec<_>>())?;
    } else {
        ctx.out.raw(&text(&envs, &current));
    }
    Ok(Exit::Done)
}

fn text(envs: &[Env], current: &str) -> String {
    let row = |env: &Env| {
        let mark = if env.name == current { '*' } else { ' ' };
        let address = if env.address.is_empty() { "none" } else { &env.address };
        vec![
            format!("{mark} {} ", env.name),
            format!(" {address} "),
            String::new(),
            format!(" {}", env.description),
        ]
    };
    table::render(&envs.iter().map(row).collect::<Vec<_>>(), Fill::Spaces(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_micros_to_the_byte() {
        let env = |name: &str, address: &str, description: &str| Env {
            name: name.into(),
            address: address.into(),
            description: description.into(),
        };
        let envs = [
            env("local", "127.0.0.1:8081", "Local running Micro Server"),
            env("platform", "proxy.m3o.com", "Cloud hosted Micro Platform"),
        ];
        assert_eq!(
            text(&envs, "local"),
            "* local      127.0.0.1:8081    Local running Micro Server\n  \
             platform   proxy.m3o.com     Cloud hosted Micro Platform\n"
        );
    }

    #[test]
    fn an_environment_without_an_address_says_none() {
        let bare = Env {
            name: "bare".into(),
            address: String::new(),
            description: String::new(),
        };
        assert_eq!(text(&[bare], "local"), "  bare   none    \n");
    }
}
