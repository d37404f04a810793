//! `auth.Rules`: create, delete, list.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::auth as wire;
use micro_proto::auth::{
    CreateRequest, CreateResponse, DeleteRequest, DeleteResponse, ListRequest, ListResponse, Resource, Rules,
};
use micro_tenancy::{
    Caller,
    rules::{Access, Rule},
};

use super::named;
use crate::{App, AuthError};

#[async_trait]
impl Rules for App {
    async fn create(&self, caller: &Caller, request: CreateRequest) -> Result<CreateResponse, Error> {
        let id = "auth.Rules.Create";
        let tenant = caller
            .enter_as_admin(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        let rule = parse(request.rule).map_err(|e| e.at(id))?;
        self.create_rule(&tenant, rule, self.parts.clock.now())
            .await
            .map_err(|e| e.at(id))?;
        Ok(CreateResponse {})
    }

    async fn delete(&self, caller: &Caller, request: DeleteRequest) -> Result<DeleteResponse, Error> {
        let id = "auth.Rules.Delete";
        let tenant = caller
            .enter_as_admin(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        self.delete_rule(&tenant, &request.id, self.parts.clock.now())
            .await
            .map_err(|e| e.at(id))?;
        Ok(DeleteResponse {})
    }

    async fn list(&self, caller: &Caller, request: ListRequest) -> Result<ListResponse, Error> {
        let id = "auth.Rules.List";
        let tenant = caller
            .enter(named(request.options.as_ref()))
            .map_err(|e| e.with_id(id))?;
        let rules = self
            .list_rules(&tenant, self.parts.clock.now())
            .await
            .map_err(|e| e.at(id))?;
        Ok(ListResponse {
            rules: rules.into_iter().map(render).collect(),
        })
    }
}

fn parse(rule: Option<wire::Rule>) -> Result<Rule, AuthError> {
    let rule = rule.ok_or(AuthError::RuleMissing)?;
    if rule.id.is_empty() {
        return Err(AuthError::RuleIdMissing);
    }
    let access = rule.access();
    let Resource { name, r#type, endpoint } = rule.resource.ok_or(AuthError::ResourceMissing)?;
    let access = match access {
        wire::Access::Granted => Access::Granted,
        wire::Access::Denied => Access::Denied,
        wire::Access::Unknown => return Err(AuthError::AccessMissing),
    };
    Ok(Rule {
        id: rule.id,
        scope: rule.scope,
        kind: r#type,
        name,
        endpoint,
        access,
        priority: rule.priority,
    })
}

fn render(rule: Rule) -> wire::Rule {
    let access = match rule.access {
        Access::Granted => wire::Access::Granted,
        Access::Denied => wire::Access::Denied,
    };
    wire::Rule {
        id: rule.id,
        scope: rule.scope,
        resource: Some(Resource {
            name: rule.name,
            r#type: rule.kind,
            endpoint: rule.endpoint,
        }),
        access: access.into(),
        priority: rule.priority,
    }
}
