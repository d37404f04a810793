//! Who may do what with a table: read from a migration's first line, written as policies and grants.

use super::quoted;
use crate::StoreError;

/// What every tenant's row must fulfil. The catalogue check compares with what PostgreSQL makes of it.
const POLICY: &str = "namespace_id = nullif(current_setting('app.namespace_id', true), '')::uuid";

/// Whose rows a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `tenant`: each row a namespace's; the serving role under row-level security.
    Tenant,
    /// `tenant, swept by expires_at`: and the system role may remove what has expired.
    Swept,
    /// `both`: as tenant, and the system role reads and writes all rows.
    Both,
    /// `queue`: the serving role only adds, for its own namespace; the system role reads and writes all rows.
    Queue,
    /// `system`: the system role's alone.
    System,
    /// `system, append only`: the system role's alone, and what is written stays.
    Appended,
}

/// The tables that a migration makes, and their kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scope {
    kind: Kind,
    tables: Vec<String>,
}

impl Scope {
    /// Reads the directive. A migration that makes a table must have one.
    pub fn of(name: &str, text: &str) -> Result<Option<Self>, StoreError> {
        let refuse = |why: &str| Err(StoreError::Invalid(format!("migration {name}: {why}")));
        let tables: Vec<String> = text.lines().filter_map(table_made).map(str::to_owned).collect();
        let Some(directive) = text.lines().next().and_then(|line| line.strip_prefix("-- scope:")) else {
            return match tables.is_empty() {
                true => Ok(None),
                false => refuse("its first line must say whose the table is: -- scope: tenant|system|both|queue"),
            };
        };
        let kind = match directive.trim() {
            "tenant" => Kind::Tenant,
            "tenant, swept by expires_at" => Kind::Swept,
            "both" => Kind::Both,
            "queue" => Kind::Queue,
            "system" => Kind::System,
            "system, append only" => Kind::Appended,
            other => return refuse(&format!("unknown scope {other:?}")),
        };
        if tables.is_empty() {
            return refuse("a scope, but no `create table if not exists` at the start of a line");
        }
        Ok(Some(Self { kind, tables }))
    }

    /// What makes it so; safe to repeat.
    pub fn statements(&self, serving: &str, system: &str) -> Vec<String> {
        self.tables
            .iter()
            .flat_map(|table| self.kind.statements(&quoted(table), serving, system))
            .collect()
    }
}

impl Kind {
    fn statements(self, table: &str, serving: &str, system: &str) -> Vec<String> {
        let mut all = vec![format!("revoke all on {table} from public, {serving}, {system}")];
        if !matches!(self, Self::System | Self::Appended) {
            all.extend([
                format!("alter table {table} enable row level security"),
                format!("alter table {table} force row level security"),
                format!("drop policy if exists serving_namespace on {table}"),
                format!("create policy serving_namespace on {table} for all to {serving} using ({POLICY}) with check ({POLICY})"),
            ]);
        }
        let system_sees = match self {
            Self::Both | Self::Queue => Some("using (true) with check (true)"),
            Self::Swept => Some("using (expires_at < now()) with check (false)"),
            Self::Tenant | Self::System | Self::Appended => None,
        };
        if let Some(rows) = system_sees {
            all.push(format!("drop policy if exists system_rows on {table}"));
            all.push(format!(
                "create policy system_rows on {table} for all to {system} {rows}"
            ));
        }
        let everything = "select, insert, update, delete";
        let (for_serving, for_system) = match self {
            Self::Tenant => (everything, ""),
            Self::Swept => (everything, "select, delete"),
            Self::Both => (everything, everything),
            Self::Queue => ("insert", everything),
            Self::System => ("", everything),
            Self::Appended => ("", "select, insert"),
        };
        for (rights, role) in [(for_serving, serving), (for_system, system)] {
            if !rights.is_empty() {
                all.push(format!("grant {rights} on {table} to {role}"));
            }
        }
        all
    }
}

/// The table that a line makes, if it makes one.
fn table_made(line: &str) -> Option<&str> {
    let lower = line.to_ascii_lowercase();
    if !lower.starts_with("create table") {
        return None;
    }
    let name = line["create table".len()..].trim_start();
    let name = name.strip_prefix("if not exists").unwrap_or(name).trim_start();
    name.split(|c: char| c.is_whitespace() || c == '(')
        .next()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_stands_for_policies_and_grants() {
        let scope = Scope::of("x", "-- scope: tenant\ncreate table if not exists notes (\n id uuid)")
            .expect("ok")
            .expect("one");
        assert_eq!(
            scope,
            Scope {
                kind: Kind::Tenant,
                tables: vec!["notes".into()]
            }
        );
        let all = scope.statements("\"s\"", "\"y\"").join("\n");
        assert!(all.contains("force row level security") && all.contains(POLICY));
        assert!(!all.contains("to \"y\"") && !all.contains("truncate"));
    }

    #[test]
    fn what_is_only_appended_cannot_be_changed() {
        let text = "-- scope: system, append only\ncreate table if not exists audit (\n id uuid)";
        let all = Scope::of("x", text)
            .expect("ok")
            .expect("one")
            .statements("\"s\"", "\"y\"");
        assert_eq!(all[1..], ["grant select, insert on \"audit\" to \"y\""]);
    }

    #[test]
    fn a_table_without_a_scope_is_refused() {
        assert!(Scope::of("x", "create table if not exists notes (id uuid)").is_err());
        assert!(Scope::of("x", "-- scope: everyone\ncreate table if not exists notes (id uuid)").is_err());
        assert_eq!(
            Scope::of("x", "create index if not exists i on notes (id)").expect("no table"),
            None
        );
    }
}
