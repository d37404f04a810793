//! Who may come in, and where to: tokens, headers, rules.

use micro_client::Client;
use micro_error::{Error, Kind};
use micro_rpc::mesh::Ingress;
use micro_tenancy::{
    Reach,
    rules::{Access, Rule},
};

use crate::{
    nodes::TestNode,
    world::{World, caller, client, http, principal, rule},
};

async fn greet(client: &Client, token: &str, headers: &[(&str, &str)]) -> Result<String, Error> {
    let answer = client
        .call_json(
            &caller(token, headers),
            "greeter",
            "Greeter.Hello",
            r#"{"name":"x"}"#.into(),
        )
        .await?;
    Ok(String::from_utf8(answer.to_vec()).expect("JSON"))
}

fn refused(outcome: Result<String, Error>) -> (Kind, String, String) {
    let error = outcome.expect_err("refused");
    (error.kind(), error.id().to_owned(), error.message().to_owned())
}

#[tokio::test]
async fn the_namespace_comes_from_the_token() {
    let world = World::open().await;
    let (adas, bobs) = (TestNode::start().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![adas.node()]);
    world.route("bob-ns", "greeter", vec![bobs.node()]);
    let client = world.client();

    assert_eq!(greet(&client, "ada", &[]).await.expect("her own"), r#"{"name":"x"}"#);
    assert_eq!(adas.last_headers()["micro-namespace"], "ada-ns");
    greet(&client, "ada", &[("micro-namespace", "ada-ns")])
        .await
        .expect("named, and her own");
    assert!(bobs.seen.headers.lock().expect("not poisoned").is_empty());

    for other in ["bob-ns", "nobodys-ns", "*", "ADA-NS", "ada-ns/../bob-ns"] {
        let denied = (
            Kind::Forbidden,
            "go.micro.proxy".to_owned(),
            "Access denied to namespace".to_owned(),
        );
        assert_eq!(
            refused(greet(&client, "ada", &[("micro-namespace", other)]).await),
            denied,
            "{other}"
        );
    }
    greet(&client, "root", &[("micro-namespace", "bob-ns")])
        .await
        .expect("a local server's administrator goes anywhere");
}

#[tokio::test]
async fn without_a_good_token_only_public_rules_help() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let client = world.client();
    let kept_out = (
        Kind::Unauthenticated,
        "greeter".to_owned(),
        "Unauthorized call made to greeter:Greeter.Hello".to_owned(),
    );
    for (token, named) in [
        ("", "ada-ns"),
        ("expired", "ada-ns"),
        ("", "nobodys-ns"),
        ("", "bad name"),
        ("", "micro"),
    ] {
        assert_eq!(
            refused(greet(&client, token, &[("micro-namespace", named)]).await),
            kept_out,
            "{token} {named}"
        );
    }
    world.open_to_everybody("ada-ns", "greeter");
    greet(&client, "", &[("micro-namespace", "ada-ns")])
        .await
        .expect("public");
    assert!(!node.last_headers().contains_key("authorization"), "nobody asks");
    assert_eq!(
        refused(greet(&client, "", &[]).await),
        kept_out,
        "in the namespace micro"
    );
}

#[tokio::test]
async fn a_rule_that_forbids_names_the_account() {
    let world = World::open().await;
    world
        .behind
        .rules
        .lock()
        .expect("not poisoned")
        .insert(crate::world::namespace("ada-ns").id, vec![rule("boss", "*", "*")]);
    let forbidden = refused(greet(&world.client(), "ada", &[]).await);
    let text = "Forbidden call made to greeter:Greeter.Hello by ada";
    assert_eq!(forbidden, (Kind::Forbidden, "greeter".into(), text.into()));
}

#[tokio::test]
async fn what_is_not_a_bearer_token_is_refused() {
    let world = World::open().await;
    let response = crate::world::http()
        .get(world.url("/greeter/hello"))
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    let response = response.expect("answers");
    assert_eq!(response.status(), 401);
    let body = response.text().await.expect("text");
    assert!(
        body.contains("invalid authorization header. expected Bearer schema"),
        "{body}"
    );
}

#[tokio::test]
async fn tenants_code_sees_a_token_made_for_it_and_never_the_callers() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    world.route("ada-ns", "other", vec![node.node()]);
    let client = world.client();
    let token = |node: &TestNode| node.last_headers()["authorization"].to_str().expect("text").to_owned();

    greet(&client, "ada", &[("cookie", "a=b")]).await.expect("answers");
    assert_eq!(token(&node), "Bearer for:ada@ada-ns/greeter#0");
    assert!(!node.last_headers().contains_key("cookie"));
    greet(&client, "ada", &[]).await.expect("answers");
    assert_eq!(token(&node), "Bearer for:ada@ada-ns/greeter#0", "remembered");
    client
        .call_json(&caller("ada", &[]), "other", "Other.Call", "{}".into())
        .await
        .expect("answers");
    assert_eq!(
        token(&node),
        "Bearer for:ada@ada-ns/other#1",
        "another service, another token"
    );
    world.behind.clock.advance(time::Duration::seconds(61));
    greet(&client, "ada", &[]).await.expect("answers");
    assert_eq!(token(&node), "Bearer for:ada@ada-ns/greeter#2", "half its life is over");
}

#[tokio::test]
async fn an_instances_door_says_who_it_is() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    world.route("bob-ns", "greeter", vec![]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let door = world
        .gateway
        .open(listener, principal("ada", Reach::Own))
        .expect("opens");
    let client = client(address);

    // Whatever token is shown there, or none.
    for token in ["", "bob", "expired"] {
        greet(&client, token, &[]).await.expect("the door authorises");
        let seen = node.last_headers()["authorization"].to_str().expect("text").to_owned();
        assert!(seen.starts_with("Bearer for:ada@ada-ns/greeter"), "{seen}");
    }
    // An exchanged token says for whom, to services of the same namespace.
    greet(&client, "for:carol@ada-ns/web", &[]).await.expect("passes");
    let seen = node.last_headers()["authorization"].to_str().expect("text").to_owned();
    assert!(seen.starts_with("Bearer for:carol@ada-ns/greeter"), "{seen}");
    greet(&client, "for:carol@bob-ns/web", &[])
        .await
        .expect("the door authorises");
    let seen = node.last_headers()["authorization"].to_str().expect("text").to_owned();
    assert!(
        seen.starts_with("Bearer for:ada@"),
        "another namespace's token says nothing: {seen}"
    );

    assert_eq!(
        refused(greet(&client, "bob", &[("micro-namespace", "bob-ns")]).await).2,
        "Access denied to namespace"
    );
    drop(door);
    let closed = client.with_timeout(std::time::Duration::from_secs(5));
    while greet(&closed, "", &[]).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_instances_token_opens_its_own_door_only() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let client = world.client();
    let kept_out = refused(greet(&client, "greeter", &[("micro-namespace", "ada-ns")]).await);
    assert_eq!(kept_out.0, Kind::Unauthenticated, "{kept_out:?}");
    let generate = client
        .call_json(&caller("greeter", &[]), "auth", "Auth.Generate", "{}".into())
        .await;
    assert_eq!(
        generate.expect_err("nobody's token out here").message(),
        "An account is required"
    );
    // A local server has no other doors.
    let local = World::with(|c| c.local = true).await;
    local.route("ada-ns", "greeter", vec![node.node()]);
    greet(&local.client(), "greeter", &[]).await.expect("hers");
}

#[tokio::test]
async fn an_instance_speaks_for_others_in_its_own_namespace_only() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "other", vec![node.node()]);
    world.route("micro", "shared", vec![node.node()]);
    let public = vec![rule("", "shared", "*")];
    let micro = crate::world::namespace("micro").id;
    world.behind.rules.lock().expect("not poisoned").insert(micro, public);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let inside = client(listener.local_addr().expect("bound"));
    let _door = world
        .gateway
        .open(listener, principal("ada", Reach::Own))
        .expect("opens");
    // Bob called Ada's service, which now shows what it got for him.
    for (service, named, seen) in [
        ("other", "ada-ns", "Bearer for:bob@ada-ns/other#"),
        ("shared", "micro", "Bearer for:ada@micro/shared#"),
    ] {
        let asked = caller("for:bob@ada-ns/web", &[("micro-namespace", named)]);
        inside
            .call_json(&asked, service, "X.Call", "{}".into())
            .await
            .expect("answers");
        let told = node.last_headers()["authorization"].to_str().expect("text").to_owned();
        assert!(told.starts_with(seen), "{told}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_do_not_reach_a_local_server() {
    let local = World::with(|c| c.local = true).await;
    let status = async |world: &World, method, path: &str, headers: &[(&str, &str)]| {
        let mut request = crate::world::http().request(method, world.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("answers");
        let told = response.headers().contains_key("access-control-allow-origin");
        (response.status().as_u16(), told)
    };
    use reqwest::Method;
    let login = "/auth/Auth/Token?id=admin&secret=micro";
    let evil = [("origin", "https://evil.example")];
    for method in [Method::GET, Method::POST, Method::OPTIONS] {
        assert_eq!(status(&local, method, login, &evil).await, (403, false));
    }
    assert_eq!(
        status(&local, Method::GET, login, &[("host", "evil.example:8080")]).await,
        (403, false)
    );
    for headers in [&[][..], &[("origin", "http://localhost:3000")]] {
        assert_eq!(status(&local, Method::GET, login, headers).await, (200, true));
    }
    // On the platform no page finds anything that its visitor does not hand it.
    assert_eq!(
        status(&World::open().await, Method::GET, login, &evil).await,
        (200, true)
    );
}

#[tokio::test]
async fn what_a_service_logs_is_its_own_namespaces_business_whatever_the_rules_open() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let open = rule("", "*", "*");
    let ada = principal("ada", Reach::Own).namespace.id;
    world.behind.rules.lock().expect("not poisoned").insert(ada, vec![open]);
    let client = world.client();
    let ask = async |token: &str, endpoint: &str| {
        let caller = caller(token, &[("micro-namespace", "ada-ns")]);
        client.call_json(&caller, "greeter", endpoint, "{}".into()).await
    };
    ask("", "Greeter.Hello").await.expect("open to all");
    ask("", "Debug.Health").await.expect("open to all");
    for endpoint in ["Debug.Log", "Debug.Trace", "Debug.Stats", "debug.log"] {
        ask("ada", endpoint).await.expect("her own");
        ask("root", endpoint).await.expect("a local server's administrator");
        let refused = ask("", endpoint).await.expect_err("a stranger");
        assert_eq!(
            (refused.kind(), refused.message()),
            (Kind::Unauthenticated, "An account is required"),
            "{endpoint}"
        );
    }
    // Over HTTP too.
    let answer = http()
        .get(world.url("/greeter/debug/log"))
        .header("micro-namespace", "ada-ns");
    assert_eq!(answer.send().await.expect("an answer").status(), 401);
}

#[tokio::test]
async fn what_is_called_over_http_is_what_the_rules_were_asked_about() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let closed = Rule {
        access: Access::Denied,
        ..rule("", "greeter", "Greeter.Admin")
    };
    let ada = principal("ada", Reach::Own).namespace.id;
    let rules = vec![rule("", "*", "*"), closed];
    world.behind.rules.lock().expect("not poisoned").insert(ada, rules);
    let ask = async |path: &str| {
        let asked = http().get(world.url(path)).header("micro-namespace", "ada-ns");
        asked.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask("/greeter/hello").await, 200);
    assert_eq!(ask("/greeter/greeter/admin").await, 401);
    // A service reads a handler from behind its last dot.
    for (path, status) in [
        ("/greeter/x.Greeter/admin", 404),
        ("/greeter/.Greeter/admin", 404),
        ("/greeter.Greeter/admin", 404),
        ("/greeter/x.Debug/log", 401),
    ] {
        assert_eq!(ask(path).await, status, "{path}");
    }
    assert_eq!(node.seen.headers.lock().expect("not poisoned").len(), 1);
}
