//! The rules of a namespace. One that has none has a default: locally everybody may call everything; on the
//! platform every account of the namespace may, and nobody else.

use micro_tenancy::{
    LimitReached, Tenant,
    rules::{Access, Rule},
};
use time::OffsetDateTime;

use super::well_formed;
use crate::{
    App, AuthError,
    store::{rules::Added, tally::Counted},
};

impl App {
    fn default_rule(&self) -> Rule {
        Rule {
            id: "default".into(),
            scope: if self.config.local { "" } else { "*" }.into(),
            kind: "*".into(),
            name: "*".into(),
            endpoint: "*".into(),
            access: Access::Granted,
            priority: 0,
        }
    }

    /// The namespace's rules, or the default.
    pub(crate) async fn list_rules(&self, tenant: &Tenant, now: OffsetDateTime) -> Result<Vec<Rule>, AuthError> {
        let mut rules = self.store(tenant, now).list_rules().await?;
        if rules.is_empty() {
            rules.push(self.default_rule());
        }
        Ok(rules)
    }

    /// Adds a rule. The first one is added beside the default, which then may be deleted.
    pub(crate) async fn create_rule(&self, tenant: &Tenant, rule: Rule, now: OffsetDateTime) -> Result<(), AuthError> {
        for text in [&rule.id, &rule.scope, &rule.kind, &rule.name, &rule.endpoint] {
            well_formed("Each part of a rule", text)?;
        }
        let limit = self.config.limits.rules;
        let added = self
            .store(tenant, now)
            .add_rule(&rule, &self.default_rule(), limit.max)
            .await?;
        match added {
            Added::Done => {}
            Added::IdTaken => return Err(AuthError::RuleTaken),
            Added::Full(used) => return Err(LimitReached::new(limit, used).into()),
        }
        self.forget_rules(tenant).await;
        Ok(())
    }

    /// Deletes a rule. With the last one the default comes back.
    pub(crate) async fn delete_rule(&self, tenant: &Tenant, id: &str, now: OffsetDateTime) -> Result<(), AuthError> {
        if id.is_empty() {
            return Err(AuthError::RuleIdMissing);
        }
        let store = self.store(tenant, now);
        if well_formed("An id", id).is_err() || !store.remove_rule(id).await? {
            let alone = id == self.default_rule().id && store.tally(Counted::Rules).await?.count == 0;
            return Err(if alone {
                AuthError::DefaultAlone
            } else {
                AuthError::RuleNotFound
            });
        }
        self.forget_rules(tenant).await;
        Ok(())
    }
}
