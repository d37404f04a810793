//! The `micro` binary as a person meets it: what it prints, where, and with which exit code.

mod accounts;
mod environments;
mod errors;
mod fake;
mod files;
mod interactive;
mod kept;
mod keyboard;
mod logins;
mod network;
mod new;
mod people;
mod releases;
mod services;
mod signups;
mod streams;
mod terminal;
mod values;
