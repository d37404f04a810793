//! The only SQL of billing. It runs as the system, except where a namespace reads its own.

mod customers;
mod events;
mod invoices;
mod keys;
mod ledger;
mod subscriptions;

pub(crate) use customers::Customers;
pub(crate) use events::Events;
pub(crate) use invoices::Invoices;
pub(crate) use keys::{Keys, State, StoredKey};
pub(crate) use ledger::{Account, Entry, Ledger};
pub(crate) use subscriptions::{Row, Subscriptions, own_subscription};
