//! Billing over a real database, with the real Stripe client over HTTP to the double.

mod checkout;
mod doors;
mod free;
mod kills;
mod refund;
mod shop;
mod subscribe;
mod webhooks;
