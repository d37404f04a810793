//! Isolation between tenants, over every rpc.

mod disguised;
mod rows;
mod table;
