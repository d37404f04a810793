//! The HTTP API: paths, parameters, bodies, answers.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    nodes::TestNode,
    world::{World, http, limit, rule},
};

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request = http().request(method, world.url(path)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("answers");
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|v| v.to_str().expect("text").to_owned());
    Answer {
        status: response.status(),
        content_type: content_type.unwrap_or_default(),
        body: response.text().await.expect("text"),
    }
}

const ADA: (&str, &str) = ("authorization", "Bearer ada");

async fn greeter() -> (World, TestNode) {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    (world, node)
}

fn error(answer: &Answer) -> (u16, Value) {
    assert_eq!(answer.content_type, "application/json", "{}", answer.body);
    (
        answer.status.as_u16(),
        serde_json::from_str(&answer.body).expect("Micro's JSON"),
    )
}

#[tokio::test]
async fn the_root_tells_the_version() {
    let world = World::open().await;
    let root = ask(&world, Method::GET, "/", &[], "").await;
    assert_eq!(
        (root.status.as_u16(), root.content_type.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    assert_eq!(root.body, r#"{"version": "v3.0.0"}"#);
    assert_eq!(ask(&world, Method::GET, "/favicon.ico", &[], "").await.status, 200);
}

#[tokio::test]
async fn requests_become_messages() {
    let (world, _node) = greeter().await;
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (method, path, headers, body, message) in [
        (Method::GET, "/greeter/hello", &[ADA][..], "", json!({})),
        (
            Method::GET,
            "/greeter?name=Ada&n=3",
            &[ADA],
            "",
            json!({"name": "Ada", "n": 3}),
        ),
        (
            Method::POST,
            "/greeter/hello",
            &[ADA, json],
            r#"{"name":"Ada"}"#,
            json!({"name": "Ada"}),
        ),
        (
            Method::POST,
            "/greeter/hello",
            &[ADA],
            r#"{"name":"Ada"}"#,
            json!({"name": "Ada"}),
        ),
        (Method::POST, "/greeter/hello", &[ADA, json], "", json!({})),
        (
            Method::PUT,
            "/greeter/hello?a=1&b=2",
            &[ADA, json],
            r#"{"b":3}"#,
            json!({"a": 1, "b": 3}),
        ),
        (Method::DELETE, "/greeter/hello?a[]=1", &[ADA], "", json!({"a": [1]})),
        (
            Method::POST,
            "/greeter/hello",
            &[ADA, form],
            r#"{"name":"curl"}"#,
            json!({"name": "curl"}),
        ),
        (
            Method::POST,
            "/greeter/hello?c=1",
            &[ADA, form],
            "a=1&b=x",
            json!({"a": "1", "b": "x", "c": "1"}),
        ),
    ] {
        let answer = ask(&world, method.clone(), path, headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.content_type.as_str()),
            (200, "application/json"),
            "{method} {path}"
        );
        assert_eq!(
            serde_json::from_str::<Value>(&answer.body).expect("JSON"),
            message,
            "{method} {path}"
        );
    }
    // A JSON body alone is not even reformatted.
    let spaced = ask(&world, Method::POST, "/greeter/hello", &[ADA, json], "{ \"a\" :1.0}").await;
    assert_eq!(spaced.body, "{ \"a\" :1.0}");
    let proto = ask(
        &world,
        Method::POST,
        "/greeter/hello",
        &[ADA, ("content-type", "application/proto")],
        "\u{8}\u{1}",
    )
    .await;
    assert_eq!(
        (proto.content_type.as_str(), proto.body.as_str()),
        ("application/proto", "\u{8}\u{1}")
    );
}

#[tokio::test]
async fn what_is_no_message_is_refused_early() {
    let (world, node) = greeter().await;
    for (path, body, told) in [
        ("/greeter/hello", "{\"a\":", "the body is not JSON"),
        ("/greeter/hello?a[=1", "", "invalid url query param"),
    ] {
        let (status, body) = error(&ask(&world, Method::POST, path, &[ADA], body).await);
        assert_eq!(
            (status, &body["Id"], &body["Code"]),
            (400, &json!("go.micro.api"), &json!(400))
        );
        assert!(body["Detail"].as_str().is_some_and(|d| d.contains(told)), "{body}");
    }
    assert!(node.seen.headers.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn errors_keep_their_code_and_form() {
    let (world, node) = greeter().await;
    let wire = |id: &str, code: u16, detail: &str, status: &str| json!({"Id": id, "Code": code, "Detail": detail, "Status": status});
    for (path, headers, status, body) in [
        (
            "/greeter/fail",
            &[ADA][..],
            409,
            wire("greeter.Greeter.Fail", 409, "100% taken", "Conflict"),
        ),
        (
            "/greeter/nope",
            &[ADA],
            404,
            wire("go.micro.client", 404, "unknown service Greeter.Nope", "Not Found"),
        ),
        (
            "/nobody/call",
            &[ADA],
            404,
            wire("go.micro.api", 404, "service nobody: route not found", "Not Found"),
        ),
        (
            "/greeter/hello",
            &[],
            401,
            wire(
                "greeter",
                401,
                "Unauthorized call made to greeter:Greeter.Hello",
                "Unauthorized",
            ),
        ),
        (
            "/greeter/hello",
            &[ADA, ("micro-namespace", "bob-ns")],
            403,
            wire("go.micro.proxy", 403, "Access denied to namespace", "Forbidden"),
        ),
        (
            "/a%2fb",
            &[ADA],
            404,
            wire(
                "go.micro.api",
                404,
                "the path names no endpoint: use /service/endpoint",
                "Not Found",
            ),
        ),
        (
            "/store/read?nope=1",
            &[ADA],
            400,
            wire(
                "go.micro.client",
                400,
                "grpc: failed to unmarshal the received message unknown field \"nope\" in store.ReadRequest",
                "Bad Request",
            ),
        ),
        (
            "/store/read?key=missing",
            &[ADA],
            404,
            wire("store.Store.Read", 404, "not found", "Not Found"),
        ),
    ] {
        assert_eq!(
            error(&ask(&world, Method::GET, path, headers, "").await),
            (status, body),
            "{path}"
        );
    }
    let late = [ADA, ("timeout", "50000000")];
    let (status, body) = error(&ask(&world, Method::GET, "/greeter/hold", &late, "").await);
    assert_eq!(
        (status, body),
        (
            408,
            wire("go.micro.client", 408, "context deadline exceeded", "Request Timeout")
        )
    );
    node.kill().await;
    let (status, body) = error(&ask(&world, Method::GET, "/greeter/hello", &[ADA], "").await);
    assert_eq!(
        (status, body),
        (
            503,
            wire(
                "go.micro.client",
                503,
                "service greeter: connection refused",
                "Service Unavailable"
            )
        )
    );
}

#[tokio::test]
async fn core_services_answer_here_too() {
    let world = World::open().await;
    let read = ask(&world, Method::GET, "/store/read?key=k", &[ADA], "").await;
    assert_eq!(
        (read.status.as_u16(), read.body.as_str()),
        (200, r#"{"records":[{"key":"ada-ns/k"}]}"#)
    );
    let list = ask(&world, Method::POST, "/store/list", &[ADA], "{}").await;
    assert_eq!(list.content_type, "application/x-ndjson");
    assert_eq!(
        list.body,
        "{\"keys\":[\"0\"]}\n{\"keys\":[\"1\"]}\n{\"keys\":[\"2\"]}\n"
    );
    let (status, body) = error(&ask(&world, Method::GET, "/store/read", &[], "").await);
    assert_eq!((status, &body["Detail"]), (401, &json!("An account is required")));
}

#[tokio::test]
async fn streams_are_lines() {
    let (world, _node) = greeter().await;
    let many = ask(&world, Method::POST, "/greeter/many", &[ADA], "{\"a\":1}").await;
    assert_eq!(
        (many.content_type.as_str(), many.body.as_str()),
        ("application/x-ndjson", "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n")
    );
    let lines = ("accept", "application/x-ndjson");
    let broken = ask(&world, Method::POST, "/greeter/break", &[ADA, lines], "{\"a\":1}").await;
    let told = r#"{"Id":"greeter","Code":409,"Detail":"it broke","Status":"Conflict"}"#;
    assert_eq!(
        (broken.status.as_u16(), broken.body),
        (200, format!("{{\"a\":1}}\n{told}\n"))
    );
    let (status, _) = error(&ask(&world, Method::POST, "/greeter/break", &[ADA], "{}").await);
    assert_eq!(status, 409, "an error behind a single message is an error");
}

#[tokio::test]
async fn a_node_sees_how_it_was_asked_and_nothing_of_the_credentials() {
    let (world, node) = greeter().await;
    ask(
        &world,
        Method::POST,
        "/greeter/hello?a=1",
        &[ADA, ("cookie", "s=1"), ("x-mine", "yes")],
        "{}",
    )
    .await;
    let seen = node.last_headers();
    for (name, value) in [
        ("method", "POST"),
        ("url", "/greeter/hello?a=1"),
        ("x-mine", "yes"),
        ("micro-namespace", "ada-ns"),
        ("content-type", "application/grpc+json"),
    ] {
        assert_eq!(seen[name], value);
    }
    assert!(
        seen["authorization"]
            .to_str()
            .expect("text")
            .starts_with("Bearer for:ada@ada-ns/greeter")
    );
    assert!(!seen.contains_key("cookie"));
}

#[tokio::test]
async fn a_host_names_a_namespace() {
    let (world, _node) = greeter().await;
    let hello =
        |headers: &'static [(&'static str, &'static str)]| ask(&world, Method::GET, "/greeter/hello", headers, "");
    assert_eq!(hello(&[("host", "ada-ns.apps.test")]).await.status, 401, "closed");
    world
        .behind
        .rules
        .lock()
        .expect("not poisoned")
        .insert(crate::world::namespace("ada-ns").id, vec![rule("", "*", "*")]);
    assert_eq!(hello(&[("host", "ada-ns.apps.test")]).await.status, 200);
    assert_eq!(hello(&[("host", "ada-ns.apps.test:8080")]).await.status, 200);
    for other in ["ada-ns.evil.test", "ada-nsapps.test", "apps.test", "x.ada-ns.apps.test"] {
        let response = http()
            .get(world.url("/greeter/hello"))
            .header("host", other)
            .send()
            .await
            .expect("answers");
        assert_eq!(response.status(), 401, "{other}");
    }
    let bobs = [("host", "ada-ns.apps.test"), ("authorization", "Bearer bob")];
    assert_eq!(
        ask(&world, Method::GET, "/greeter/hello", &bobs, "").await.status,
        403,
        "as with the header"
    );
}

#[tokio::test]
async fn any_page_may_ask_but_nothing_of_the_browsers_opens_the_door() {
    let world = World::open().await;
    let request = http()
        .request(Method::OPTIONS, world.url("/greeter/hello"))
        .header("origin", "https://evil.test");
    let preflight = request.send().await.expect("answers");
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert!(!preflight.headers().contains_key("access-control-allow-credentials"));
    let cookie = ask(&world, Method::GET, "/store/read", &[("cookie", "micro-token=ada")], "").await;
    assert_eq!(cookie.status, 401);
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let world = World::with(|c| c.limits.body_bytes = limit(c.limits.body_bytes, 100)).await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let post = async |length: usize, chunked: bool| {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let body = if chunked {
            let halves: Vec<_> = body
                .as_bytes()
                .chunks(60)
                .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
                .collect();
            reqwest::Body::wrap(http_body_util::StreamBody::new(futures::stream::iter(
                halves
                    .into_iter()
                    .map(|c| c.map(|c| hyper::body::Frame::data(bytes::Bytes::from(c)))),
            )))
        } else {
            body.into()
        };
        http()
            .post(world.url("/greeter/hello"))
            .header(ADA.0, ADA.1)
            .body(body)
            .send()
            .await
            .expect("answers")
    };
    for chunked in [false, true] {
        assert_eq!(post(100, chunked).await.status(), 200, "chunked: {chunked}");
        let over = post(101, chunked).await;
        assert_eq!(over.status(), 413, "chunked: {chunked}");
        assert!(over.text().await.expect("text").contains("body.bytes"));
    }
}

#[tokio::test]
async fn every_answer_has_an_id() {
    let world = World::open().await;
    let id = async || http().get(world.url("/")).send().await.expect("answers").headers()["x-request-id"].clone();
    assert_ne!(id().await, id().await);
}
