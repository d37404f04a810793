//! `micro auth list rules`, `create rule`, `delete rule`.

use micro_proto::auth::{Access, CreateRequest, DeleteRequest, ListRequest, Resource, Rule, Rules};
use serde::Serialize;

use super::{Place, described, refused, table};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
};

/// List the rules of a namespace
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
}

/// Create a rule: who may, or may not, call what
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro auth create rule --scope '*' --resource '*:*:*' only-logged-in\n  micro auth create rule --resource service:greeter:Greeter.Hello hello-is-public\n  micro auth create rule --access denied --priority 10 --resource service:accounts:* closed"
)]
pub struct Create {
    /// A name for the rule
    #[arg(value_name = "ID", num_args = 0..)]
    words: Vec<String>,

    /// Who: * is every account of the namespace, + every account anywhere, none is everybody
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,

    /// What, as type:name:endpoint: service:greeter:Greeter.Hello; each part may be *
    #[arg(long, default_value = "", hide_default_value = true)]
    resource: String,

    /// granted or denied
    #[arg(long, default_value = "granted")]
    access: String,

    /// Where several rules speak of a call, the highest decides
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,

    #[command(flatten)]
    place: Place,
}

/// Delete a rule. With the last one the default rule comes back
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The rule's name
    #[arg(value_name = "ID", num_args = 0..)]
    words: Vec<String>,

    #[command(flatten)]
    place: Place,
}

/// Lists them.
pub async fn list(args: List, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let request = ListRequest {
        options: args.place.options(&session),
    };
    let answer = session.rules().list(&session.caller(), request).await;
    let mut rules = answer.map_err(|e| refused(&session, "Error listing rules", &e))?.rules;
    rules.sort_by_cached_key(|rule| std::cmp::Reverse((resource(rule), rule.priority, rule.id.clone())));
    if ctx.out.json() {
        ctx.out.value(&rules.iter().map(Shown::from).collect::<Vec<_>>())?;
    } else {
        ctx.out.raw(&text(&rules));
    }
    Ok(Exit::Done)
}

/// Creates one.
pub async fn create(args: Create, ctx: &Ctx) -> Result {
    if args.words.len() > 1 {
        return Err(Failure::plain("Too many arguments, expected one argument: ID"));
    }
    let access = match args.access.as_str() {
        "granted" => Access::Granted,
        "denied" => Access::Denied,
        other => {
            return Err(Failure::plain(format!(
                "Invalid access: {other}, must be granted or denied"
            )));
        }
    };
    let rule = Rule {
        id: args.words.into_iter().next().unwrap_or_default(),
        scope: args.scope,
        resource: Some(parse(&args.resource)?),
        access: access.into(),
        priority: args.priority,
    };
    let session = ctx.logged_in().await?;
    let request = CreateRequest {
        rule: Some(rule.clone()),
        options: args.place.options(&session),
    };
    let answer = session.rules().create(&session.caller(), request).await;
    answer.map_err(|e| described(&session, "Error", &e, e.message()))?;
    if ctx.out.json() {
        ctx.out.value(&Shown::from(&rule))?;
    } else {
        ctx.out.line("Rule created");
    }
    Ok(Exit::Done)
}

/// Deletes one.
pub async fn delete(args: Delete, ctx: &Ctx) -> Result {
    let [id] = <[String; 1]>::try_from(args.words).map_err(|_| Failure::plain("Expected one argument: ID"))?;
    let session = ctx.logged_in().await?;
    let request = DeleteRequest {
        id,
        options: args.place.options(&session),
    };
    let answer = session.rules().delete(&session.caller(), request).await;
    answer.map_err(|e| described(&session, "Error", &e, e.message()))?;
    if !ctx.out.json() {
        ctx.out.line("Rule deleted");
    }
    Ok(Exit::Done)
}

fn parse(text: &str) -> Result<Resource> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [kind, name, endpoint] if ![kind, name, endpoint].iter().any(|part| part.is_empty()) => Ok(Resource {
            name: (*name).into(),
            r#type: (*kind).into(),
            endpoint: (*endpoint).into(),
        }),
        _ => Err(Failure::plain(
            "Invalid resource, must be in the format type:name:endpoint",
        )),
    }
}

fn resource(rule: &Rule) -> String {
    let Resource { name, r#type, endpoint } = rule.resource.clone().unwrap_or_default();
    format!("{}:{name}:{endpoint}", r#type)
}

fn text(rules: &[Rule]) -> String {
    let row = |rule: &Rule| {
        let scope = if rule.scope.is_empty() { "<public>" } else { &rule.scope };
        [
            rule.id.clone(),
            scope.to_owned(),
            rule.access().as_str_name().to_owned(),
            resource(rule),
            rule.priority.to_string(),
        ]
    };
    let header = ["ID", "Scope", "Access", "Resource", "Priority"].map(str::to_owned);
    table(std::iter::once(header).chain(rules.iter().map(row)))
}

/// A rule for programs, in the words of the flags that make it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    scope: &'a str,
    access: String,
    resource: String,
    priority: i32,
}

impl<'a> From<&'a Rule> for Shown<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            scope: &rule.scope,
            access: rule.access().as_str_name().to_lowercase(),
            resource: resource(rule),
            priority: rule.priority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_three_parts() {
        let resource = parse("service:greeter:Greeter.Hello").expect("three parts");
        assert_eq!(
            [resource.r#type.as_str(), &resource.name, &resource.endpoint],
            ["service", "greeter", "Greeter.Hello"]
        );
        for bad in ["", "bad", "a:b", "a:b:c:d", "service::*", "::"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
