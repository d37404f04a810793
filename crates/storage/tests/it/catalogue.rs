//! Every mistake that could let one tenant see another's rows is refused at connect.

use micro_storage::{Db, StoreError, Urls, db::Options};
use micro_testkit::TestDb;
use secrecy::ExposeSecret;

const TENANTS: &str =
    "create table notes (namespace_id uuid not null, id int8 not null, primary key (namespace_id, id));
     alter table notes enable row level security;
     alter table notes force row level security;
     grant select, insert on notes to micro_serving;";
const POLICY: &str = "namespace_id = nullif(current_setting('app.namespace_id', true), '')::uuid";

async fn reasons(test: &TestDb) -> Vec<String> {
    reasons_of(test.urls()).await
}

async fn reasons_of(urls: &Urls) -> Vec<String> {
    match Db::connect(
        urls,
        Options {
            serving: 1,
            system: 1,
            ..Default::default()
        },
    )
    .await
    {
        Ok(_) => Vec::new(),
        Err(StoreError::Unsafe(reasons)) => reasons,
        Err(other) => panic!("{other:?}"),
    }
}

/// Plants something, and expects exactly one reason with these words.
async fn refuses(planted: &str, words: &str) {
    let test = TestDb::new().await;
    test.as_superuser(planted).await;
    let reasons = reasons(&test).await;
    assert!(
        reasons.iter().any(|reason| reason.contains(words)),
        "{planted}\n→ {reasons:?}, not {words:?}"
    );
    assert_eq!(reasons.len(), 1, "{planted}\n→ {reasons:?}");
}

fn with_policy(rest: &str) -> String {
    format!("{TENANTS} create policy p on notes to micro_serving using ({POLICY}) with check ({POLICY}); {rest}")
}

#[tokio::test]
async fn our_own_migrations_are_safe() {
    assert_eq!(reasons(&TestDb::new().await).await, [""; 0]);
}

#[tokio::test]
async fn a_well_made_table_is_let_through() {
    let test = TestDb::new().await;
    test.as_superuser(&with_policy("")).await;
    assert_eq!(reasons(&test).await, [""; 0]);
}

#[tokio::test]
async fn a_table_without_a_namespace() {
    let policy = "create policy p on t to micro_serving using (true)";
    let table = "alter table t enable row level security; alter table t force row level security; grant select on t to micro_serving;";
    let test = TestDb::new().await;
    test.as_superuser(&format!("create table t (id int8); {table} {policy}"))
        .await;
    let found = reasons(&test).await.join("\n");
    assert!(
        found.contains("t has no namespace_id") && found.contains("t has a policy of another text"),
        "{found}"
    );
    refuses(
        &format!("create table t (namespace_id uuid, id int8); {table} create policy p on t using ({POLICY})"),
        "t has no namespace_id uuid not null",
    )
    .await;
}

#[tokio::test]
async fn row_level_security_that_is_not_forced() {
    refuses(
        &with_policy("alter table notes no force row level security"),
        "notes does not force",
    )
    .await;
    refuses(
        &with_policy("alter table notes disable row level security"),
        "notes does not force",
    )
    .await;
}

#[tokio::test]
async fn no_policy_or_a_policy_of_another_text() {
    refuses(TENANTS, "notes has no policy").await;
    let another = "notes has a policy of another text";
    refuses(
        &with_policy("create policy q on notes to micro_serving using (true)"),
        another,
    )
    .await;
    refuses(&with_policy("create policy q on notes using (id > 0)"), another).await;
    refuses(
        &with_policy("create policy q on notes for insert to micro_serving with check (true)"),
        another,
    )
    .await;
    refuses(
        &format!("{TENANTS} create policy p on notes to micro_serving using ({POLICY}) with check (true)"),
        another,
    )
    .await;
}

#[tokio::test]
async fn a_unique_index_that_reveals_what_others_have() {
    refuses(
        &with_policy("create unique index everybodys on notes (id)"),
        "everybodys",
    )
    .await;
    refuses(
        &with_policy("create unique index expressed on notes ((id + 1), namespace_id)"),
        "expressed",
    )
    .await;
}

#[tokio::test]
async fn a_foreign_key_that_accepts_a_strangers_parent() {
    let table = |key: &str| {
        with_policy(&format!(
            "create table lines (namespace_id uuid not null, id int8 not null, note int8, primary key (namespace_id, id), {key});
             alter table lines enable row level security; alter table lines force row level security;
             create policy p on lines to micro_serving using ({POLICY}); grant select on lines to micro_serving"
        ))
    };
    let test = TestDb::new().await;
    test.as_superuser(&table(
        "foreign key (namespace_id, note) references notes (namespace_id, id)",
    ))
    .await;
    assert_eq!(reasons(&test).await, [""; 0]);
    let elsewhere = "create table parents (namespace_id uuid not null, id int8 primary key);";
    refuses(
        &format!(
            "{elsewhere} {}",
            table("constraint bare foreign key (note) references parents (id)")
        ),
        "foreign key without namespace_id: bare",
    )
    .await;
}

#[tokio::test]
async fn rights_that_row_level_security_does_not_hold() {
    refuses(
        &with_policy("grant truncate on notes to micro_serving"),
        "may be truncated",
    )
    .await;
    refuses(
        "create view peek as select 1 as x; grant select on peek to micro_serving",
        "peek is not a table",
    )
    .await;
    refuses("grant create on schema public to micro_serving", "may create objects").await;
    // A right on one column is a right on the table.
    let test = TestDb::new().await;
    test.as_superuser("grant select (email) on identities to micro_serving")
        .await;
    assert!(
        reasons(&test)
            .await
            .join("\n")
            .contains("identities does not force row-level security")
    );
}

#[tokio::test]
async fn a_function_with_its_owners_rights() {
    refuses(
        "create function peek() returns bigint language sql security definer as $$ select count(*) from records $$",
        "may call peek()",
    )
    .await;
}

/// Roles are the whole server's, so these are made for one test each, and connect in place of the usual ones.
#[tokio::test]
async fn roles_with_too_many_rights() {
    let cases = [
        ("superuser", "is a superuser"),
        ("bypassrls", "bypasses row-level security"),
        ("createrole", "may make roles"),
        ("in role micro_owner", "is a member of micro_owner"),
        ("in role micro_system", "is a member of micro_system"),
    ];
    for (n, (right, words)) in cases.into_iter().enumerate() {
        let test = TestDb::new().await;
        let role = format!("strong_{}_{n}", std::process::id());
        test.as_superuser(&format!("drop role if exists {role}; create role {role} login {right}"))
            .await;
        let mut urls = test.urls().clone();
        urls.serving = urls.serving.expose_secret().replace("micro_serving", &role).into();
        let found = reasons_of(&urls).await.join("\n");
        let mut urls = test.urls().clone();
        urls.system = urls.system.expose_secret().replace("micro_system", &role).into();
        let as_system = reasons_of(&urls).await.join("\n");
        test.as_superuser(&format!("drop role {role}")).await;
        assert!(found.contains(words), "{right}: {found}");
        assert!(as_system.contains(words), "{right}: {as_system}");
    }
}

#[tokio::test]
async fn the_owner_may_not_serve_nor_one_login_be_both() {
    let test = TestDb::new().await;
    let mut urls = test.urls().clone();
    urls.serving = urls.owner.clone();
    let found = reasons_of(&urls).await.join("\n");
    assert!(
        found.contains("owns records") && found.contains("owns the database"),
        "{found}"
    );
    let mut urls = test.urls().clone();
    urls.system = urls.serving.clone();
    assert_eq!(reasons_of(&urls).await, ["serving and system are the same login"]);
}

#[tokio::test]
async fn text_that_does_not_sort_bytewise() {
    let test = TestDb::new().await;
    let locales = test
        .ask_superuser("select collname from pg_collation where collprovider = 'i' and collname = 'en-x-icu'")
        .await;
    if locales.is_empty() {
        println!("skipped: this PostgreSQL has no ICU");
        return;
    }
    let name = format!("test_{}_icu", std::process::id());
    test.as_superuser(&format!("drop database if exists {name}")).await;
    test.as_superuser(&format!(
        "create database {name} template template0 locale_provider icu icu_locale 'en' encoding 'UTF8'"
    ))
    .await;
    let on = |url: &secrecy::SecretString| -> secrecy::SecretString {
        let (before, _) = url.expose_secret().rsplit_once('/').expect("url");
        format!("{before}/{name}").into()
    };
    let urls = Urls {
        serving: on(&test.urls().serving),
        system: on(&test.urls().system),
        owner: on(&test.urls().owner),
    };
    let found = reasons_of(&urls).await.join("\n");
    test.as_superuser(&format!("drop database {name} with (force)")).await;
    assert!(found.contains("locale must be C"), "{found}");
}
