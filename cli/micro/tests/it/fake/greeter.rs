//! The one service that is registered and called: it says what it was sent.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use micro_error::{Error, Kind};
use micro_proto::registry;
use micro_rpc::{Call, Payload, Service, ServiceDescriptor, Status};

/// As it is registered.
pub fn greeter() -> registry::Service {
    let field = |name: &str, kind: &str, values| registry::Value {
        name: name.into(),
        r#type: kind.into(),
        values,
    };
    let endpoint = |name: &str, fields, stream: bool| registry::Endpoint {
        name: name.into(),
        request: Some(field("Request", "Request", fields)),
        response: None,
        metadata: stream
            .then(|| ("stream".to_owned(), "true".to_owned()))
            .into_iter()
            .collect(),
    };
    registry::Service {
        name: "greeter".into(),
        version: "latest".into(),
        endpoints: vec![
            endpoint("Greeter.Stream", vec![field("count", "int64", vec![])], true),
            endpoint(
                "Greeter.Hello",
                vec![
                    field("name", "string", vec![]),
                    field(
                        "options",
                        "Options",
                        vec![field("loud", "bool", vec![]), field("max_words", "int64", vec![])],
                    ),
                ],
                false,
            ),
            endpoint("Greeter.Pay", vec![], false),
        ],
        nodes: ["greeter-1", "greeter-2"].map(crate::network::node).to_vec(),
        ..Default::default()
    }
}

/// As it answers.
pub struct Greeter;

static GREETER: ServiceDescriptor = ServiceDescriptor {
    package: "greeter",
    name: "Greeter",
    methods: &[],
};

#[async_trait]
impl Service for Greeter {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &GREETER
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        let namespace = call
            .caller
            .metadata()
            .get("micro-namespace")
            .cloned()
            .unwrap_or_default();
        let sent = call.payload.frames().next().await.expect("a request")?;
        let sent = String::from_utf8_lossy(&sent).into_owned();
        match call.method.as_str() {
            "Hello" => Ok(Payload::One(
                format!(r#"{{"msg":"Hello","sent":{sent},"ns":"{namespace}"}}"#).into(),
            )),
            "Stream" => Ok(Payload::Many(Box::pin(stream::iter(
                (1..=2).map(|n| Ok(format!(r#"{{"n":{n}}}"#).into())),
            )))),
            "Pay" => Err(Error::new(
                Kind::PaymentRequired,
                "billing",
                "Payment is required. See https://example.com/pay",
            )
            .into()),
            "Slow" => Err(Error::new(Kind::Timeout, "greeter", "context deadline exceeded").into()),
            other => Err(Status::plain(
                micro_rpc::Code::UNIMPLEMENTED,
                format!("unknown service Greeter.{other}"),
            )),
        }
    }
}
