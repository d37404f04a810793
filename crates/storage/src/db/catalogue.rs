//! Isolation proven by the catalogue: what the serving role could do, read from PostgreSQL itself
//! (reference/spike-store §2). Row-level security stops a forgotten WHERE; this stops a forgotten policy.

use sqlx::{PgConnection, PgPool};

use crate::StoreError;

/// What PostgreSQL makes of the one allowed policy text.
const POLICY: &str = "(namespace_id = (NULLIF(current_setting('app.namespace_id'::text, true), ''::text))::uuid)";

/// Refuses a database in which the serving role could see another namespace's rows, with every reason.
pub(super) async fn check(serving: &PgPool, system: &PgPool) -> Result<(), StoreError> {
    // One connection each, both at once: a server's start waits for this.
    let (mut serving, mut system) = tokio::try_join!(serving.acquire(), system.acquire())?;
    let ((mut reasons, serving), (of_system, system)) =
        tokio::try_join!(check_serving(&mut serving), check_role(&mut system))?;
    reasons.extend(of_system);
    if serving == system {
        reasons.push("serving and system are the same login".into());
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Unsafe(reasons))
    }
}

/// What speaks against the login itself, and its name.
async fn check_role(conn: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let reasons = texts(conn, ROLE).await?;
    Ok((reasons, texts(conn, "select current_user::text").await?))
}

/// The same of the serving login, and what speaks against what it can reach.
async fn check_serving(conn: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let (mut reasons, name) = check_role(conn).await?;
    for query in [DATABASE, SCHEMA] {
        reasons.extend(texts(conn, query).await?);
    }
    let tables = sqlx::query_scalar::<_, String>(TABLES).bind(POLICY).fetch_all(conn);
    reasons.extend(tables.await?);
    Ok((reasons, name))
}

async fn texts(conn: &mut PgConnection, query: &'static str) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(query).fetch_all(conn).await?)
}

/// The login itself.
const ROLE: &str = "
select format('role %s %s', r.rolname, reason) from pg_roles r
cross join lateral (values
    (r.rolsuper, 'is a superuser'),
    (r.rolbypassrls, 'bypasses row-level security'),
    (r.rolcreaterole, 'may make roles'),
    (r.rolreplication, 'may replicate')
) as flaws(flawed, reason)
where r.rolname = current_user and flawed
union all
select format('role %s is a member of %s', current_user, g.rolname)
from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member
where r.rolname = current_user
union all
select format('role %s owns %s', current_user, c.oid::regclass)
from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = current_user
union all
select format('role %s owns the database', current_user)
from pg_database d join pg_roles r on r.oid = d.datdba
where r.rolname = current_user and d.datname = current_database()";

/// Bytewise order is what ranges over prefixes and cursors rely on.
const DATABASE: &str = "
select 'the database''s locale must be C: text does not sort bytewise' where not ('Z' < 'a' and 'a-b' < 'ab' and '~' < 'é')
union all
select 'the database''s encoding must be UTF8' where current_setting('server_encoding') <> 'UTF8'";

/// Ways around tables.
const SCHEMA: &str = "
select format('the serving role may create objects in schema %s: revoke create on schema %1$s from public', n.nspname)
from pg_namespace n
where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and has_schema_privilege(n.oid, 'create')
union all
select format('the serving role may call %s, which runs with its owner''s rights', p.oid::regprocedure)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and p.prosecdef
  and has_function_privilege(p.oid, 'execute')";

/// Every relation that the serving role has any right on.
const TABLES: &str = "
with ours as (
    select c.oid as id, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
           (select a.attnum from pg_attribute a
             where a.attrelid = c.oid and a.attname = 'namespace_id' and a.attnotnull
               and a.atttypid = 'uuid'::regtype and not a.attisdropped) as namespace_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
      and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
           or has_any_column_privilege(c.oid, 'select, insert, update, references'))
), policies as (
    select p.polrelid, p.polpermissive, p.polcmd,
           pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as checked
    from pg_policy p
    where exists (select 1 from unnest(p.polroles) as r(id)
                  where r.id = 0 or r.id = (select oid from pg_roles where rolname = current_user))
)
select format('%s is not a table: row-level security does not reach it', id::regclass)
from ours where relkind not in ('r', 'p')
union all
select format('%s has no namespace_id uuid not null', id::regclass) from ours where relkind in ('r', 'p') and namespace_column is null
union all
select format('%s does not force row-level security', id::regclass)
from ours where relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)
union all
select format('%s has no policy for the serving role', id::regclass)
from ours where relkind in ('r', 'p') and not exists (select 1 from policies where polrelid = id and polpermissive)
union all
select format('%s has a policy of another text', id::regclass)
from ours join policies on polrelid = id
where polpermissive and (coalesce(qual, $1) <> $1 or coalesce(checked, $1) <> $1
                         or (polcmd in ('*', 'r', 'w', 'd') and qual is null)
                         or (polcmd = 'a' and checked is null))
union all
select format('%s has a unique index that namespace_id does not lead: %s', id::regclass, indexrelid::regclass)
from ours join pg_index on indrelid = id where indisunique and indkey[0] is distinct from namespace_column
union all
select format('%s has a foreign key without namespace_id: %s', id::regclass, k.conname)
from ours join pg_constraint k on k.conrelid = id
where k.contype = 'f' and not exists (
    select 1 from unnest(k.conkey, k.confkey) as pair(here, there)
    join pg_attribute a on a.attrelid = k.confrelid and a.attnum = there
    where here = namespace_column and a.attname = 'namespace_id')
union all
select format('%s may be truncated, referred to or given triggers by the serving role', id::regclass)
from ours where has_table_privilege(id, 'truncate, references, trigger')";
