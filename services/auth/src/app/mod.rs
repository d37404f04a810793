//! The operations: one file a noun of theirs.

mod accounts;
mod instances;
mod log_in;
mod revoke;
pub mod rulebook;
mod rules;
mod sessions;
mod usage;

use micro_domain::NamespaceName;
use micro_tenancy::{Principal, Reach, Tenant};
use time::OffsetDateTime;

use crate::{
    App, AuthError,
    store::{Store, accounts::Account},
};

pub use accounts::NewAccount;
pub use sessions::Granted;

/// The longest id, name, scope or metadata entry of an account, and part of a rule.
const LONGEST_TEXT: usize = 256;

impl App {
    fn store<'s>(&'s self, tenant: &'s Tenant, now: OffsetDateTime) -> Store<'s> {
        Store {
            records: &*self.parts.records,
            tenant,
            now,
        }
    }

    /// Who an account is, once it has proven to be itself.
    fn principal(&self, tenant: &Tenant, account: &Account) -> Principal {
        let namespace = tenant.namespace().clone();
        let everywhere = self.config.local && account.is_admin() && namespace.name == NamespaceName::micro();
        Principal {
            namespace,
            account: account.id.clone(),
            name: account.name.clone(),
            kind: account.kind,
            scopes: account.scopes.clone(),
            session: None,
            instance: None,
            reach: if everywhere { Reach::Local } else { Reach::Own },
        }
    }
}

/// Refuses text that could not be a key, or fill a header.
fn well_formed(what: &'static str, text: &str) -> Result<(), AuthError> {
    let fine = text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
    if fine {
        Ok(())
    } else {
        Err(AuthError::Malformed(what, LONGEST_TEXT))
    }
}
