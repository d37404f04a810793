//! Events over their doors: on every back end, and with time that is moved by hand.

mod back_ends;
mod doors;
mod groups;
mod keeping;
mod letters;
mod producers;
mod rates;
mod replicas;
mod retention;
mod topics;
mod world;
