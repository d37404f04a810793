//! The commands: which there are, and how one is run.

pub mod account;
pub mod auth;
pub mod call;
pub mod cli;
pub mod config;
pub mod env;
pub mod events;
pub mod kill;
pub mod login;
pub mod logout;
pub mod logs;
pub mod network;
pub mod new;
mod question;
pub mod run;
#[cfg(feature = "server")]
pub mod server;
pub mod service;
pub mod services;
pub mod signup;
pub mod stats;
pub mod status;
pub mod store;
pub mod stream;
pub mod update;
pub mod user;

use std::{ffi::OsString, future::Future};

use clap::{CommandFactory, Parser, error::ErrorKind};

use crate::{
    args::{Cli, Command},
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    out::{Out, Output},
};

/// Reads the command line, does what it says, prints what went wrong, and answers with the exit code.
pub fn main(line: Vec<OsString>) -> Exit {
    let talk = Out::new(Output::Text);
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(e) => return misread(&talk, &e),
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                talk.talk(failure.message);
            }
            failure.exit
        }
    }
}

fn dispatch(cli: Cli) -> Result {
    let out = Out::new(cli.output);
    if cli.version {
        out.line(concat!("micro version v", env!("CARGO_PKG_VERSION")));
        return Ok(Exit::Done);
    }
    let Some(command) = cli.command else {
        return Err(Failure::plain(
            "No command provided to micro. Please refer to 'micro --help'",
        ));
    };
    let ctx = Ctx::new(out, cli.env)?;
    match command {
        Command::Account(args) => block_on(account::run(args, &ctx)),
        Command::Auth(args) => block_on(auth::run(args, &ctx)),
        Command::Call(args) => block_on(call::run(args, &ctx)),
        Command::Cli(args) => block_on(cli::run(args, &ctx)),
        Command::Config(args) => block_on(config::run(args, &ctx)),
        Command::Env(args) => env::run(args, &ctx),
        Command::Events(args) => match args.call() {
            Some(words) => service::run(words, &ctx),
            None => block_on(events::run(args, &ctx)),
        },
        Command::Kill(args) => block_on(kill::run(args, &ctx)),
        Command::Login(args) if args.wants_help() => help("login"),
        Command::Login(args) => block_on(login::run(args, &ctx)),
        Command::Logout(args) => block_on(logout::run(args, &ctx)),
        Command::Logs(args) => block_on(logs::run(args, &ctx)),
        Command::Network(args) => block_on(network::run(args, &ctx)),
        Command::New(args) => new::run(&args, &ctx),
        Command::Run(args) => block_on(run::run(args, &ctx)),
        #[cfg(feature = "server")]
        Command::Server(args) => server::run(args),
        Command::Services(args) => block_on(services::run(args, &ctx)),
        Command::Signup(args) => block_on(signup::run(args, &ctx)),
        Command::Stats(args) => block_on(stats::run(args, &ctx)),
        Command::Status(args) => block_on(status::run(args, &ctx)),
        Command::Store(args) => block_on(store::run(args, &ctx)),
        Command::Stream(args) => block_on(stream::run(args, &ctx)),
        Command::Update(args) => block_on(update::run(args, &ctx)),
        Command::User(args) => block_on(user::run(args, &ctx)),
        Command::Service(words) => service::run(words, &ctx),
    }
}

/// Runs a command that talks to a server: one thread is plenty, and it is started only then.
pub fn block_on(command: impl Future<Output = Result>) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::because("starting", e))?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}

/// A command's help on stdout: what was asked for. A command of a command is named with a space before it.
pub fn help(command: &str) -> Result {
    let mut cli = Cli::command();
    cli.build();
    let mut words = command.split(' ');
    let found = words.try_fold(&mut cli, |found, word| found.find_subcommand_mut(word));
    let text = match found.map(clap::Command::render_help) {
        Some(text) => text,
        None => cli.render_help(),
    };
    Out::new(Output::Text).raw(&text.to_string());
    Ok(Exit::Done)
}

/// A word that a command with subcommands does not know.
pub fn unknown_subcommand(command: &str, words: &[OsString]) -> Failure {
    let word = words.first().map(|w| w.to_string_lossy()).unwrap_or_default();
    Failure::plain(format!(
        "Unrecognized subcommand for micro {command}: {word}. Please refer to 'micro {command} --help'"
    ))
}

/// Help that was asked for is data; everything else is a failure.
fn misread(talk: &Out, error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            talk.raw(&error.to_string());
            Exit::Done
        }
        _ => {
            talk.talk(error.to_string().trim_end());
            Exit::Failed
        }
    }
}
