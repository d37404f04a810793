//! `micro-admin`: what operators do, from a terminal.

mod args;
mod commands;
mod ctx;
mod login;

use micro_terminal::{exit, out, prompt, table};

fn main() {
    std::process::exit(commands::main(std::env::args_os()) as i32);
}
