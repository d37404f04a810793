//! The command line, as clap reads it.

use clap::{Parser, Subcommand};

use crate::{commands, out::Output};

/// Operate a Micro platform.
///
/// Every call is written to the platform's audit log.
#[derive(Debug, Parser)]
#[command(
    name = "micro-admin",
    version,
    arg_required_else_help = true,
    after_help = "To begin: micro-admin login, with the secret that the server showed at its first start"
)]
pub struct Cli {
    /// HOST:PORT of the operators' door
    #[arg(long, global = true, env = "MICRO_ADMIN_ADDRESS", default_value = "127.0.0.1:8090")]
    pub address: String,

    /// How to print data
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    pub output: Output,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What operators do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Login(commands::login::Args),
    Customers(commands::customers::Args),
    Namespaces(commands::namespaces::Args),
    Jobs(commands::jobs::Args),
    Secrets(commands::secrets::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
