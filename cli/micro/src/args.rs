//! The command line, as clap reads it. Each command's own flags stand in its file.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::{commands, out::Output};

/// Over the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "micro",
    about = "micro - Run services without running servers",
    disable_version_flag = true,
    subcommand_value_name = "COMMAND",
    after_help = "Any other word is a service of yours: `micro greeter hello --name Ada` calls Greeter.Hello,\n\
                  `micro greeter --help` shows what it offers.\n\n\
                  To begin: micro signup (or, on a machine of your own, micro server and micro login),\n\
                  micro new NAME, micro run NAME, micro status"
)]
pub struct Cli {
    /// Use this environment instead of the current one (MICRO_ENV)
    #[arg(
        short,
        long,
        env = "MICRO_ENV",
        global = true,
        value_name = "NAME",
        hide_env = true,
        help_heading = EVERYWHERE
    )]
    pub env: Option<String>,

    /// How to print data: text, json, or raw as the service sent it (MICRO_OUTPUT)
    #[arg(
        short,
        long,
        env = "MICRO_OUTPUT",
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM",
        hide_env = true,
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = EVERYWHERE
    )]
    pub output: Output,

    /// Print the version
    #[arg(short, long)]
    pub version: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands that are not services.
#[derive(Debug, Subcommand)]
pub enum Command {
    Account(commands::account::Args),
    Auth(commands::auth::Args),
    Call(commands::call::Args),
    Cli(commands::cli::Args),
    Config(commands::config::Args),
    Env(commands::env::Args),
    Events(commands::events::Args),
    Kill(commands::kill::Args),
    Login(commands::login::Args),
    Logout(commands::logout::Args),
    Logs(commands::logs::Args),
    Network(commands::network::Args),
    New(commands::new::Args),
    Run(commands::run::Args),
    /// Run the micro server
    #[cfg(feature = "server")]
    Server(commands::server::Args),
    Services(commands::services::Args),
    Signup(commands::signup::Args),
    Stats(commands::stats::Args),
    Status(commands::status::Args),
    Store(commands::store::Args),
    Stream(commands::stream::Args),
    Update(commands::update::Args),
    User(commands::user::Args),
    #[command(external_subcommand)]
    Service(Vec<OsString>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_word_keeps_all_that_follows() {
        let cli = Cli::try_parse_from(["micro", "-e", "home", "greeter", "hello", "--name", "Ada", "--help"])
            .expect("parsed");
        let Some(Command::Service(words)) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!((cli.env.as_deref(), words.len()), (Some("home"), 5));
    }
}
