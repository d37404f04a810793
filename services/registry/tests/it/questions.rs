//! Asking what there is.

use micro_error::Error;
use micro_proto::registry::{GetRequest, ListRequest, Options, Registry, Service};
use micro_tenancy::Caller;

use crate::world::{World, greeter, words};

async fn find(world: &World, caller: &Caller, domain: &str, service: &str) -> Result<Vec<Service>, Error> {
    let options = Some(Options {
        ttl: 0,
        domain: domain.into(),
    });
    let request = GetRequest {
        service: service.into(),
        options,
    };
    Ok(world.registry.get_service(caller, request).await?.services)
}

async fn list(world: &World, caller: &Caller, domain: &str) -> Result<Vec<String>, Error> {
    let options = Some(Options {
        ttl: 0,
        domain: domain.into(),
    });
    let services = world
        .registry
        .list_services(caller, ListRequest { options })
        .await?
        .services;
    Ok(services
        .into_iter()
        .map(|s| format!("{} {}", s.name, s.version))
        .collect())
}

#[tokio::test]
async fn a_service_is_found_as_it_described_itself() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let registered = greeter("v2", "greeter-1", 4711);
    world
        .register(&door, registered.clone())
        .await
        .expect("an instance may");
    world
        .register(&door, greeter("v1", "greeter-0", 4710))
        .await
        .expect("an instance may");
    let found = find(&world, &world.owner("ada-ns"), "", "greeter")
        .await
        .expect("found");
    assert_eq!(found.len(), 2, "one entry a version");
    assert_eq!(
        found[1],
        Service {
            options: None,
            ..registered
        }
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_not_found_and_nor_is_a_neighbours() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    world
        .register(&door, greeter("v1", "greeter-0", 4710))
        .await
        .expect("an instance may");
    let owner = world.owner("ada-ns");
    assert_eq!(
        words(find(&world, &owner, "", "nope").await),
        (404, "service not found".into())
    );
    let bob = world.owner("bobs-ns");
    assert_eq!(
        words(find(&world, &bob, "", "greeter").await),
        (404, "service not found".into())
    );
    assert_eq!(
        words(find(&world, &bob, "ada-ns", "greeter").await),
        (403, "Access denied to namespace".into())
    );
    assert_eq!(words(find(&world, &Caller::anonymous(), "", "greeter").await).0, 401);
}

#[tokio::test]
async fn a_list_is_in_order_of_name_and_version() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    for (name, version) in [("zebra", "a"), ("greeter", "v2"), ("greeter", "v1"), ("apple", "")] {
        let service = Service {
            name: name.into(),
            ..greeter(version, "node", 4711)
        };
        world.register(&door, service).await.expect("an instance may");
    }
    let listed = list(&world, &world.owner("ada-ns"), "ada-ns").await.expect("own");
    assert_eq!(listed, ["apple ", "greeter v1", "greeter v2", "zebra a"]);
}

#[tokio::test]
async fn any_account_may_read_what_the_platform_itself_offers() {
    let world = World::platform();
    let owner = world.owner("ada-ns");
    assert_eq!(
        list(&world, &owner, "micro").await.expect("public"),
        ["auth latest", "store latest"]
    );
    let auth = find(&world, &owner, "micro", "auth").await.expect("public").remove(0);
    let names: Vec<_> = auth.endpoints.iter().map(|e| e.name.as_str()).collect();
    assert!(
        names.starts_with(&["Auth.Generate", "Auth.Inspect", "Auth.Token"]),
        "{names:?}"
    );
    assert_eq!(words(list(&world, &Caller::anonymous(), "micro").await).0, 401);
    assert_eq!(
        words(list(&world, &owner, "*").await),
        (403, "Access denied to namespace".into())
    );
}

#[tokio::test]
async fn a_local_administrator_sees_core_and_own_services_and_all_domains() {
    let world = World::local();
    let admin = world.owner("micro");
    world
        .register(&admin, greeter("v1", "greeter-0", 4710))
        .await
        .expect("by hand");
    let elsewhere = Service {
        options: Some(Options {
            ttl: 0,
            domain: "other".into(),
        }),
        ..greeter("v2", "n", 4711)
    };
    world.register(&admin, elsewhere).await.expect("by hand");
    assert_eq!(
        list(&world, &admin, "").await.expect("own"),
        ["auth latest", "greeter v1", "store latest"]
    );
    let all = list(&world, &admin, "*").await.expect("local");
    assert_eq!(all, ["auth latest", "greeter v1", "greeter v2", "store latest"]);
}
