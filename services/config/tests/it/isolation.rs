//! Every rpc, with somebody else's namespace in its field: nothing of it is seen or changed.

use std::collections::BTreeSet;

use micro_error::Error;
use micro_proto::config::{Config, ReadRequest, WatchRequest, Watcher, descriptor};
use micro_tenancy::{Caller, Metadata};

use crate::world::{World, admin, delete_in, get_in, guest, set_in};

const CANARY: &str = "\"canary-of-ada\"";

async fn ask_everything(world: &World, caller: &Caller, named: &str) -> Vec<(&'static str, Result<(), Error>)> {
    let config = &world.config;
    let read = ReadRequest {
        namespace: named.into(),
        path: "k".into(),
    };
    let watch = WatchRequest {
        namespace: named.into(),
        path: "k".into(),
        ..Default::default()
    };
    vec![
        ("config.Watcher.Watch", config.watch(caller, watch).await.map(drop)),
        (
            "config.Config.Get",
            config.get(caller, get_in(named, "k", true)).await.map(drop),
        ),
        (
            "config.Config.Get",
            config.get(caller, get_in(named, "", false)).await.map(drop),
        ),
        ("config.Config.Read", config.read(caller, read).await.map(drop)),
        (
            "config.Config.Set",
            config.set(caller, set_in(named, "k", "1", false)).await.map(drop),
        ),
        (
            "config.Config.Set",
            config.set(caller, set_in(named, "k", "{", true)).await.map(drop),
        ),
        (
            "config.Config.Delete",
            config.delete(caller, delete_in(named, "k")).await.map(drop),
        ),
        (
            "config.Config.Delete",
            config.delete(caller, delete_in(named, "")).await.map(drop),
        ),
    ]
}

#[tokio::test]
async fn only_those_who_may_change_a_namespace_reach_its_configuration() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.set_secret(&ada, "k", CANARY).await.expect("set");
    let header = Metadata::from([("micro-namespace".to_owned(), "ada-ns".to_owned())]);
    let strangers = [admin("eve-ns"), guest("eve-ns"), admin("eve-ns").with_metadata(header)];
    for (who, named, status, words) in strangers
        .iter()
        .flat_map(|eve| ["ada-ns", "nobodys-ns", "micro", "ADA-NS", "ada-ns\0", "*"].map(|n| (eve, n)))
        .map(|(eve, named)| (eve.clone(), named, 403, "Access denied to namespace"))
        .chain([
            (Caller::anonymous(), "ada-ns", 401, "An account is required"),
            (Caller::anonymous(), "", 401, "An account is required"),
            (guest("ada-ns"), "ada-ns", 401, "Unauthorized"),
            (guest("ada-ns"), "", 401, "Unauthorized"),
        ])
    {
        let answers = ask_everything(&world, &who, named).await;
        let asked: BTreeSet<_> = answers.iter().map(|(id, _)| *id).collect();
        let all = descriptor::SERVICES.iter().flat_map(|service| service.methods);
        assert_eq!(asked, all.map(|method| method.id).collect(), "a row for every rpc");
        for (id, answer) in answers {
            let error = answer.expect_err(id);
            assert_eq!(
                (error.kind().status(), error.id(), error.message()),
                (status, id, words),
                "{named:?}"
            );
        }
    }
    assert_eq!(world.get_secret(&ada, "k").await.expect("untouched"), CANARY);
}

#[tokio::test]
async fn two_namespaces_have_two_trees() {
    let world = World::new();
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    world.set(&ada, "k", "1").await.expect("set");
    assert_eq!(
        world.get(&eve, "k").await.expect_err("hers is empty").kind().status(),
        404
    );
    world.set(&eve, "k", "2").await.expect("set");
    world.delete(&eve, "").await.expect("gone");
    assert_eq!(world.get(&ada, "k").await.expect("untouched"), "1");
}
