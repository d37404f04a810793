//! The SQL of operators, their tokens and the audit log.

mod audit;
mod operators;

pub(crate) use audit::{Audit, Deed};
pub(crate) use operators::{Operator, Operators, Tokens};
