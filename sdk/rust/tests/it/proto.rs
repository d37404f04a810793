//! Messages as prost generates them: protobuf and JSON, as it is asked.

use bytes::Bytes;
use micro_sdk::{Context, Error, Service};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::running::Running;

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
struct Hello {
    #[prost(string, tag = "1")]
    name: String,
}

async fn hello(_: Context, hello: Hello) -> Result<Hello, Error> {
    Ok(Hello {
        name: format!("Hello {}", hello.name),
    })
}

#[tokio::test]
async fn the_reply_is_written_as_the_request_was() {
    let running = Running::start(Service::new("greeter").handle_proto("Greeter.Hello", hello)).await;
    let json = running.ask("/Greeter/Hello", &json!({ "name": "Ada" })).await;
    assert_eq!(json.json(), [json!({ "name": "Hello Ada" })]);
    let body = Bytes::from_static(b"\0\0\0\0\x05\x0a\x03Ada");
    let proto = running.send("/Greeter/Hello", "application/grpc", body, &[]).await;
    assert_eq!(proto.messages, [Bytes::from_static(b"\x0a\x09Hello Ada")]);
    assert_eq!(proto.content_type, "application/grpc+proto");
}
