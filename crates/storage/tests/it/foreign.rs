//! A transaction of somebody else's, as the serving role: what holds locks that writers meet.

use micro_tenancy::Tenant;
use micro_testkit::TestDb;
use secrecy::ExposeSecret;
use tokio_postgres::{Client, NoTls};

/// A connection of the serving role, outside of any pool.
pub async fn connect(test: &TestDb) -> Client {
    let url = test.urls().serving.expose_secret();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

/// An open transaction in a namespace that has run one statement.
pub struct Foreign(Client);

impl Foreign {
    pub async fn hold(test: &TestDb, tenant: &Tenant, statement: &str) -> Self {
        let client = connect(test).await;
        let id = tenant.id().uuid();
        let held = client
            .simple_query(&format!(
                "begin; select set_config('app.namespace_id', '{id}', true); {statement}"
            ))
            .await
            .expect("holds");
        let rows = held
            .iter()
            .filter(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_)))
            .count();
        assert!(rows >= 2, "nothing is held by {statement}");
        Self(client)
    }

    pub async fn let_go(self) {
        self.0.batch_execute("rollback").await.expect("lets go");
    }
}
