//! What differs between one person's server and the platform: this table, and nothing else.

use micro_auth::{AuthConfig, RefreshKey};
use micro_proto::auth::{Accounts, Auth, GenerateRequest, ListAccountsRequest, ListRequest, Options, Rules};
use micro_tenancy::{
    AccountKind, Caller, Principal, Reach,
    rules::{Resource, Rulebook, decide},
};

use crate::world::{World, namespace_of, words};

const TABLE: &str = "\
an access token lasts at most            | 60 minutes                     | 15 minutes
a session lasts without being refreshed  | 30 days                        | 30 days
admin logs in with micro                 | logged in                      | Account or secret not correct
a wrong secret is told                   | Secret not correct             | Account or secret not correct
an unknown account is told               | Account not found with this ID | Account or secret not correct
the default rule is for                  | everybody                      | accounts of the namespace
a stranger calls a service without rules | Granted                        | Unauthorized
an admin of micro enters other namespaces| entered                        | Access denied to namespace
accounts that a namespace may have       | 1000                           | 1000
rules that a namespace may have          | 1000                           | 1000
";

/// Everything that auth can be told, but for what is secret: a new setting has to be looked at here.
fn settings(config: AuthConfig) -> [String; 4] {
    let AuthConfig {
        local: _,
        default_admin: _,
        token_ttl,
        session_idle,
        limits,
        logins_per_account: _,
        logins_per_address: _,
        refresh_keys: _,
    } = config;
    [
        format!("{} minutes", token_ttl.whole_minutes()),
        format!("{} days", session_idle.whole_days()),
        limits.accounts.max.to_string(),
        limits.rules.max.to_string(),
    ]
}

async fn log_in(world: &World, id: &str, secret: &str) -> String {
    match world.log_in("", id, secret).await {
        Ok(_) => "logged in".into(),
        Err(refused) => words::<()>(Err(refused)).1,
    }
}

/// Whoever administers namespace `micro` there, as its own tokens say.
async fn administrator(world: &World, local: bool) -> Caller {
    if local {
        let token = world.log_in("", "admin", "micro").await.expect("the default one");
        return world.holder(&token).await.expect("good");
    }
    world.as_principal(Principal {
        namespace: namespace_of("micro"),
        account: micro_domain::AccountId::new("admin"),
        name: "admin".into(),
        kind: AccountKind::User,
        scopes: vec!["admin".into()],
        session: None,
        instance: None,
        reach: Reach::Own,
    })
}

async fn column(local: bool) -> Vec<String> {
    let keys = vec![RefreshKey::new([7; 32])];
    let (world, config) = match local {
        true => (World::local(), AuthConfig::local(keys)),
        false => (World::platform(), AuthConfig::platform(keys)),
    };
    let [token, session, accounts, rules] = settings(config);
    let admin = log_in(&world, "admin", "micro").await;
    let somebody = match local {
        true => "admin".to_owned(),
        false => {
            world.sign_up("ada-ns", "ada@example.com", "correct horse").await;
            "ada@example.com".into()
        }
    };
    let wrong = log_in(&world, &somebody, "wrong").await;
    let unknown = log_in(&world, "nobody@example.com", "wrong").await;
    let caller = administrator(&world, local).await;
    let listed = Rules::list(&world.auth, &caller, ListRequest::default())
        .await
        .expect("own");
    let default = match listed.rules[0].scope.as_str() {
        "" => "everybody",
        "*" => "accounts of the namespace",
        other => other,
    };
    let place = namespace_of("ada-ns");
    let read = world.auth.rules(&place).await.expect("read");
    let stranger = decide(&read, None, &place, &Resource::service("greeter", "Greeter.Hello"));
    let options = Some(Options {
        namespace: "ada-ns".into(),
    });
    let enters = match Accounts::list(&world.auth, &caller, ListAccountsRequest { options }).await {
        Ok(_) => "entered".to_owned(),
        Err(refused) => words::<()>(Err(refused)).1,
    };
    vec![
        token,
        session,
        admin,
        wrong,
        unknown,
        default.to_owned(),
        format!("{stranger:?}"),
        enters,
        accounts,
        rules,
    ]
}

#[tokio::test]
async fn a_local_server_and_the_platform_differ_in_this_and_in_nothing_else() {
    let keys = || vec![RefreshKey::new([7; 32])];
    let (here, there) = (AuthConfig::local(keys()), AuthConfig::platform(keys()));
    assert_eq!(here.limits, there.limits);
    assert_eq!(here.logins_per_account, there.logins_per_account);
    assert_eq!(here.logins_per_address, there.logins_per_address);
    let (local, platform) = (column(true).await, column(false).await);
    let questions = TABLE.lines().map(|line| line.split('|').next().unwrap_or_default());
    let mut table = String::new();
    for ((question, here), there) in questions.zip(&local).zip(&platform) {
        table.push_str(&format!("{question:41}| {here:<31}| {there}\n"));
    }
    println!("{table}");
    assert_eq!(
        (local.len(), platform.len()),
        (TABLE.lines().count(), TABLE.lines().count())
    );
    assert_eq!(table, TABLE);
}

#[tokio::test]
async fn a_local_servers_own_limits_are_the_plans() {
    let world = World::local();
    let token = world.log_in("", "admin", "micro").await.expect("the default one");
    let admin = world.holder(&token).await.expect("good");
    for id in ["b", "c", "d"] {
        let request = GenerateRequest {
            id: id.into(),
            ..Default::default()
        };
        world.auth.generate(&admin, request).await.expect("room");
    }
    let request = GenerateRequest {
        id: "e".into(),
        ..Default::default()
    };
    let refused = world.auth.generate(&admin, request).await.expect_err("the fifth");
    assert_eq!(refused.id(), "limits.accounts");
}
