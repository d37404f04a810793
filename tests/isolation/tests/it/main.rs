//! Isolation between tenants, over every rpc.

mod rows;
mod table;
