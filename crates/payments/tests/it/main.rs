//! The Stripe adapter against the double, over HTTP: the real client, the real bytes.

mod checkout;
mod contract;
mod harness;
mod money;
mod outcomes;
mod shapes;
mod webhooks;
