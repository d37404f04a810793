//! The whole system, driven as its users drive it: real binaries, real ports, real files.

pub mod browser;
pub mod greeter;
pub mod home;
pub mod local;
pub mod mailbox;
pub mod moments;
pub mod operator;
pub mod page;
pub mod platform;
pub mod process;
pub mod server;
pub mod signup;
pub mod stripe;
pub mod walk;
