//! The three logins have no more rights than they need.

use micro_postgres::{Options, Postgres};
use secrecy::ExposeSecret;
use tokio_postgres::NoTls;

use crate::places::Place;

pub async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn logins_own_no_more_than_they_need_and_locale_is_c() {
    let place = Place::new();
    let postgres = Postgres::start(Options::durable(place.path())).await.expect("starts");
    let urls = postgres.urls();
    for url in [&urls.serving, &urls.system, &urls.owner] {
        let client = client(url.expose_secret()).await;
        let row = client
            .query_one(
                "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb,
                        exists (select 1 from pg_auth_members where member = r.oid),
                        (select datcollate from pg_database where datname = current_database()) = 'C'
                 from pg_roles r where rolname = current_user",
                &[],
            )
            .await
            .expect("asks");
        assert_eq!((row.get(0), row.get(1), row.get(2)), (false, false, true));
    }
    let serving = client(urls.serving.expose_secret()).await;
    assert!(serving.batch_execute("create table mine (id int)").await.is_err());
    assert!(serving.batch_execute("create temp table mine (id int)").await.is_err());
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let place = Place::new();
    let postgres = Postgres::start(Options::durable(place.path())).await.expect("starts");
    let url = postgres.urls().serving.expose_secret().to_owned();
    let (scheme, rest) = url
        .split_once(":micro_serving:")
        .unwrap_or(url.split_once("micro_serving:").expect("url"));
    let (_, host) = rest.split_once('@').expect("url");
    let without = format!("{scheme}micro_serving:wrong@{host}");
    assert!(tokio_postgres::connect(&without, NoTls).await.is_err());
}

#[tokio::test]
async fn passwords_stay_out_of_debug_and_other_peoples_sight() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let postgres = Postgres::start(Options::durable(place.path())).await.expect("starts");
    let password = std::fs::read_to_string(place.join("passwords/micro_owner")).expect("kept");
    assert!(!format!("{postgres:?}").contains(&password));
    for entry in place.join("passwords").read_dir().expect("there") {
        assert_eq!(
            entry.expect("entry").metadata().expect("metadata").mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        std::fs::metadata(postgres.socket()).expect("there").mode() & 0o777,
        0o700
    );
}
