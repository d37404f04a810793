//! Forward-only migrations, embedded in the binary. Each file is idempotent and recorded when all of it is done, so
//! a crash anywhere is mended by the next run; two migrators at once take turns by a lease row.

mod scope;
mod statements;

use std::{collections::HashMap, time::Duration};

use micro_postgres::Urls;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use self::{scope::Scope, statements::statements};
use super::parse;
use crate::StoreError;

/// (name, text), in time order.
const MIGRATIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// How long a migrator that died keeps others waiting.
const LEASE_SECONDS: i32 = 10;

/// The logins that policies and grants are made for, quoted.
struct Roles {
    serving: String,
    system: String,
}

/// Brings the database of these logins up to date, as its owner. Returns how many files it applied.
pub async fn migrate(urls: &Urls) -> Result<usize, StoreError> {
    let roles = Roles {
        serving: quoted(parse(&urls.serving)?.get_username()),
        system: quoted(parse(&urls.system)?.get_username()),
    };
    let owner = parse(&urls.owner)?
        .application_name("micro migrate")
        .disable_statement_logging();
    let mut conn = owner.connect().await?;
    if pending(&mut conn, &roles).await?.is_empty() {
        return Ok(0);
    }
    make_bookkeeping(&mut conn).await?;
    let lease = Lease::take(&mut conn).await?;
    let mut heart = owner.connect().await?;
    let applied = tokio::select! {
        applied = apply_pending(&mut conn, &roles) => applied,
        lost = lease.keep(&mut heart) => Err(lost),
    };
    lease.give_back(&mut heart).await?;
    applied
}

/// One value for the whole set of migrations: a test's template database is named after it.
pub fn migrations_fingerprint() -> String {
    let whole = MIGRATIONS.iter().flat_map(|(name, text)| [*name, "\0", *text, "\0"]);
    format!("{:016x}", whole.fold(FNV, fnv))
}

/// A migration that is to be run: its name, its text, what its text comes to.
struct Pending {
    name: String,
    text: &'static str,
    checksum: String,
}

/// What has not been recorded as done. A file that changed after it was applied is refused.
async fn pending(conn: &mut PgConnection, roles: &Roles) -> Result<Vec<Pending>, StoreError> {
    let known: bool = sqlx::query_scalar(
        "select exists (select 1 from information_schema.tables
                        where table_schema = 'public' and table_name = 'schema_migrations')",
    )
    .fetch_one(&mut *conn)
    .await?;
    let mut applied: HashMap<String, String> = HashMap::new();
    if known {
        applied.extend(
            sqlx::query_as::<_, (String, String)>("select name, checksum from schema_migrations")
                .fetch_all(conn)
                .await?,
        );
    }
    let mut pending = Vec::new();
    for (name, text) in MIGRATIONS {
        let checksum = format!("{:016x}", fnv(FNV, text));
        match applied.get(*name) {
            Some(done) if *done == checksum => {}
            Some(_) => {
                return Err(StoreError::Invalid(format!(
                    "migration {name} was changed after it was applied: migrations are forward only, add another"
                )));
            }
            None => pending.push(Pending {
                name: (*name).into(),
                text,
                checksum,
            }),
        }
    }
    // Policies and grants name logins: where those changed, they are made again.
    let name = format!("scopes for {} {}", roles.serving, roles.system);
    if !applied.contains_key(&name) {
        pending.push(Pending {
            name,
            text: "",
            checksum: String::new(),
        });
    }
    Ok(pending)
}

async fn apply_pending(conn: &mut PgConnection, roles: &Roles) -> Result<usize, StoreError> {
    let mut count = 0;
    for migration in pending(conn, roles).await? {
        if migration.text.is_empty() {
            for (name, text) in MIGRATIONS {
                apply_scope(conn, name, text, roles).await?;
            }
        } else {
            for statement in statements(migration.text) {
                run(conn, &migration.name, statement).await?;
            }
            apply_scope(conn, &migration.name, migration.text, roles).await?;
            count += 1;
        }
        sqlx::query("insert into schema_migrations (name, checksum, applied_at) values ($1, $2, now()) on conflict (name) do nothing")
            .bind(&migration.name)
            .bind(&migration.checksum)
            .execute(&mut *conn)
            .await?;
        tracing::debug!(migration = migration.name, "applied");
    }
    Ok(count)
}

async fn apply_scope(conn: &mut PgConnection, name: &str, text: &str, roles: &Roles) -> Result<(), StoreError> {
    let Some(scope) = Scope::of(name, text)? else {
        return Ok(());
    };
    for statement in scope.statements(&roles.serving, &roles.system) {
        run(conn, name, &statement).await?;
    }
    Ok(())
}

/// Runs one statement of a migration by the simple protocol, which takes every kind of statement.
async fn run(conn: &mut PgConnection, name: &str, statement: &str) -> Result<(), StoreError> {
    match sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let first = statement.lines().next().unwrap_or_default();
            tracing::error!(migration = name, statement = first, %error, "a migration failed");
            Err(error.into())
        }
    }
}

/// Two that make the same table at once can collide inside the catalogue; the loser finds it made.
async fn make_bookkeeping(conn: &mut PgConnection) -> Result<(), StoreError> {
    let tables = [
        "create table if not exists schema_migrations (name text primary key, checksum text not null, applied_at timestamptz not null)",
        "create table if not exists schema_lease (id int8 primary key, holder uuid not null, expires_at timestamptz not null)",
    ];
    for table in tables {
        let mut made = sqlx::query(table).execute(&mut *conn).await;
        if made.is_err() {
            made = sqlx::query(table).execute(&mut *conn).await;
        }
        made?;
    }
    Ok(())
}

/// The right to migrate.
struct Lease(Uuid);

impl Lease {
    /// Waits until no other migrator lives.
    async fn take(conn: &mut PgConnection) -> Result<Self, StoreError> {
        let holder = micro_clock::Ids.random();
        let patience = Instant::now() + Duration::from_secs(300);
        loop {
            let taken = sqlx::query(
                "insert into schema_lease as l (id, holder, expires_at)
                 values (1, $1, now() + $2 * interval '1 second')
                 on conflict (id) do update set holder = excluded.holder, expires_at = excluded.expires_at
                 where l.expires_at <= now() or l.holder = excluded.holder",
            )
            .bind(holder)
            .bind(LEASE_SECONDS)
            .execute(&mut *conn)
            .await?;
            if taken.rows_affected() == 1 {
                return Ok(Self(holder));
            }
            if Instant::now() > patience {
                return Err(StoreError::Invalid(
                    "another migration has been running for five minutes".into(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Renews for as long as it is polled; returns when the lease was lost.
    async fn keep(&self, conn: &mut PgConnection) -> StoreError {
        loop {
            tokio::time::sleep(Duration::from_secs(LEASE_SECONDS as u64 / 3)).await;
            let renewed = sqlx::query(
                "update schema_lease set expires_at = now() + $2 * interval '1 second' where id = 1 and holder = $1",
            )
            .bind(self.0)
            .bind(LEASE_SECONDS)
            .execute(&mut *conn)
            .await;
            match renewed {
                Ok(done) if done.rows_affected() == 1 => {}
                Ok(_) => return StoreError::Contended(None),
                Err(error) => return error.into(),
            }
        }
    }

    async fn give_back(self, conn: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query("delete from schema_lease where id = 1 and holder = $1")
            .bind(self.0)
            .execute(conn)
            .await?;
        Ok(())
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_says_whose_it_is() {
        for (name, text) in MIGRATIONS {
            Scope::of(name, text).expect("a readable directive");
        }
    }

    #[test]
    fn names_are_in_time_order() {
        let times: Vec<&str> = MIGRATIONS
            .iter()
            .map(|(name, _)| name.split_once('/').expect("folder").1)
            .collect();
        assert!(times.is_sorted());
        for time in times {
            let (stamp, _) = time.split_once('_').expect("<YYYYMMDDHHMMSS>_<what>.sql");
            assert!(stamp.len() == 14 && stamp.bytes().all(|b| b.is_ascii_digit()), "{time}");
        }
    }
}
