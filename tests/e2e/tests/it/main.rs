//! The whole system, end to end.

mod account;
mod browser;
mod crash;
mod failpoints;
mod hostile;
mod left_off;
mod local;
mod local_crash;
mod logs;
mod operators;
mod pasted_token;
mod plain_user;
mod profiles;
mod replicas;
mod walk;
mod webhooks;
