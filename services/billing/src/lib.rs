//! Billing: cards, subscriptions, refunds, and what the payment provider reports about them. Internal: every method
//! refuses all but the platform's own tasks.
//!
//! Three rules hold it together. A call that changes something at the provider has its idempotency key stored before
//! it is made; what is not known afterwards is read back by list, never guessed. A webhook only says where to look:
//! what happened is fetched, so repetition and order do not matter. The ledger is written once per source.

mod app;
mod door;
mod error;
mod jobs;
mod store;
mod webhooks;

pub use app::{Billing, Operation, Ports};
pub use error::BillingError;
