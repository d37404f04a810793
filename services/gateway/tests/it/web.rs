//! gRPC-Web: the same calls in a browser's framing.

use base64::{Engine, prelude::BASE64_STANDARD};
use micro_rpc::frame;

use crate::{
    nodes::TestNode,
    world::{World, http},
};

async fn ask(world: &World, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let url = format!("http://{}{path}", world.gateway.addresses().proxy);
    let request = http()
        .post(url)
        .header("content-type", content_type)
        .header("accept", content_type)
        .header("authorization", "Bearer ada")
        .body(body);
    let response = request.send().await.expect("answers");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    (
        response.status().as_u16(),
        response.bytes().await.expect("whole").to_vec(),
    )
}

#[tokio::test]
async fn trailers_travel_in_the_body() {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    let message = frame(b"\x0a\x01k");
    for path in ["/greeter.Greeter/Hello", "/store.Store/Delete"] {
        let (status, body) = ask(&world, path, "application/grpc-web+proto", message.to_vec()).await;
        assert_eq!(status, 200);
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("grpc-status:0"), "{path}: {text}");
    }
    let (_, body) = ask(
        &world,
        "/greeter.Greeter/Hello",
        "application/grpc-web+proto",
        message.to_vec(),
    )
    .await;
    assert!(body.starts_with(&message), "{body:?}");
    let (_, text) = ask(
        &world,
        "/greeter.Greeter/Hello",
        "application/grpc-web-text+proto",
        BASE64_STANDARD.encode(&message).into(),
    )
    .await;
    let decoded = BASE64_STANDARD
        .decode(&text[..BASE64_STANDARD.encode(&message).len()])
        .expect("base64");
    assert_eq!(decoded, message);
}

#[tokio::test]
async fn other_http_is_not_for_this_door() {
    let world = World::open().await;
    let url = format!("http://{}/store/read", world.gateway.addresses().proxy);
    assert_eq!(http().get(url).send().await.expect("answers").status(), 415);
}
