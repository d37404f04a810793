//! Sign-up on a real database, with namespaces for real and a bank and an auth service that remember.

mod app;
mod bank;
mod codes;
mod crashes;
mod doorkeeper;
mod kills;
mod known;
mod micros;
mod payment;
mod session;
mod sweep;
