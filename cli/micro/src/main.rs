//! `micro`: the command line, and the server it can be.

mod args;
#[cfg(feature = "server")]
mod boot;
mod commands;
mod ctx;
mod envs;
mod home;
mod json;
mod login;
mod remote;
mod schema;
mod source;
mod span;
mod upload;

use micro_terminal::{exit, out, prompt, table};

/// A call that a door forwards makes some dozens of short-lived values on one core and drops them there, which the
/// system's allocator is slower at. It costs some 15 MB of an idle server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // The keeper of a running instance is this binary under another first word.
    #[cfg(feature = "server")]
    if let Some(code) = micro_sandbox::entry(std::env::args_os()) {
        return code;
    }
    let exit = commands::main(std::env::args_os().collect());
    // Not by returning: a thread may still wait for a line of input that nobody will read.
    std::process::exit(exit as i32)
}
