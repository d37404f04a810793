//! A database per test.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use micro_storage::{
    Db, Urls,
    db::{self, Options},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use crate::{
    FlakyProxy,
    server::{on_own_runtime, server},
};

/// A database of this test's own, dropped at its end. Any connection still open is cut.
pub struct TestDb {
    name: String,
    urls: Urls,
}

impl TestDb {
    /// A migrated one.
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<()> = OnceCell::const_new();
        TEMPLATE.get_or_init(make_template).await;
        Self::cloned_from(&server().template).await
    }

    /// An empty one, for tests of migrations.
    pub async fn empty() -> Self {
        Self::cloned_from("template0").await
    }

    async fn cloned_from(template: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        create(&name, template).await;
        let urls = urls_of(&name);
        Self { name, urls }
    }

    /// How its three logins connect.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Pools small enough for many tests at once.
    pub async fn db(&self) -> Db {
        self.db_with(small()).await
    }

    /// Pools as asked.
    pub async fn db_with(&self, options: Options) -> Db {
        Db::connect(&self.urls, options)
            .await
            .unwrap_or_else(|error| panic!("the test's database: {error:?}"))
    }

    /// Runs statements as the superuser, whom no policy holds: to plant and to look.
    pub async fn as_superuser(&self, statements: &str) {
        self.ask_superuser(statements).await;
    }

    /// The first column of the last statement's rows, as text, asked as the superuser.
    pub async fn ask_superuser(&self, statements: &str) -> Vec<String> {
        let url = on_database(&self.urls.owner, &self.name)
            .expose_secret()
            .replace("micro_owner", "micro_superuser");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .expect("the superuser connects");
        tokio::spawn(connection);
        let said = client
            .simple_query(statements)
            .await
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        let mut rows = Vec::new();
        for message in said {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                rows.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        rows
    }

    /// The same database through a proxy that makes a share of statements and commits fail with SQLSTATE 40001.
    pub async fn flaky(&self, share: f64) -> FlakyProxy {
        FlakyProxy::start(server().socket(), &self.urls, share).await
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let statement = format!("drop database if exists \"{}\" with (force)", self.name);
        on_own_runtime(server().execute(&statement));
    }
}

/// Few connections: a server for tests has two hundred for all.
pub(crate) fn small() -> Options {
    Options {
        serving: 4,
        system: 4,
        ..Options::default()
    }
}

async fn make_template() {
    let template = &server().template;
    if server().has(template).await {
        return;
    }
    // Migrated under another name first: a test process that is killed leaves no half-made template.
    let unfinished = format!("test_{}_template", std::process::id());
    create(&unfinished, "template0").await;
    db::migrate(&urls_of(&unfinished))
        .await
        .unwrap_or_else(|error| panic!("the migrations: {error:?}"));
    server()
        .execute(&format!("alter database \"{unfinished}\" rename to \"{template}\""))
        .await;
}

async fn create(name: &str, template: &str) {
    let statement = format!(
        "create database \"{name}\" template \"{template}\" owner micro_owner encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
    );
    server().execute(&statement).await;
}

fn urls_of(database: &str) -> Urls {
    let Urls { serving, system, owner } = server().urls();
    let on = |url| on_database(url, database);
    Urls {
        serving: on(serving),
        system: on(system),
        owner: on(owner),
    }
}

fn on_database(url: &SecretString, database: &str) -> SecretString {
    let (server, _) = url.expose_secret().rsplit_once('/').expect("a URL with a database");
    format!("{server}/{database}").into()
}

/// The same URL on another socket directory.
pub(crate) fn on_socket(url: &SecretString, socket: &Path) -> SecretString {
    let (before, after) = url.expose_secret().split_once('@').expect("a URL with a login");
    let (_, database) = after.rsplit_once('/').expect("a URL with a database");
    let host = socket.display().to_string().replace('/', "%2F");
    format!("{before}@{host}/{database}").into()
}
