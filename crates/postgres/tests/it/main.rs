//! The launcher against a real PostgreSQL.

mod launch;
mod logins;
mod places;
