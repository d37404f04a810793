//! The whole system, end to end.

mod browser;
mod crash;
mod failpoints;
mod hostile;
mod logs;
mod operators;
mod pasted_token;
mod plain_user;
mod walk;
mod webhooks;
