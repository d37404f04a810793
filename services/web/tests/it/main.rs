//! The web door as a browser meets it.

mod door;
mod mailbox;
mod subscribe;
