//! What is refused, and in which words: programs and Micro's command line look for them (reference/micro-wire §1.6).

use anyhow::{Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use micro_proto::{auth, broker, config, events, registry, runtime, store};
use micro_rpc::{Codec, Message};

use crate::{
    metadata::World,
    world::{Door, json, like_a_command, with},
};

/// One refusal: what is asked, and code, id and words of the answer.
struct Row {
    path: &'static str,
    request: Bytes,
    code: i32,
    id: &'static str,
    words: &'static str,
}

fn row(path: &'static str, request: &impl Message, code: i32, id: &'static str, words: &'static str) -> Row {
    Row {
        path,
        request: Codec::Proto.encode(request),
        code,
        id,
        words,
    }
}

/// What an administrator hears.
fn refusals() -> Vec<Row> {
    let get = registry::GetRequest {
        service: "nosuch".into(),
        ..Default::default()
    };
    let read = store::ReadRequest {
        key: "nosuch".into(),
        ..Default::default()
    };
    let blob = store::BlobReadRequest {
        key: "nosuch".into(),
        ..Default::default()
    };
    let account = auth::TokenRequest {
        refresh_token: "nosuch".into(),
        ..Default::default()
    };
    let bad_json = config::SetRequest {
        path: "a".into(),
        value: Some(config::Value {
            data: "{".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let unconfigured = config::GetRequest {
        path: "a".into(),
        ..Default::default()
    };
    let service = runtime::Resource {
        service: Some(runtime::Service {
            name: "nosuch".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let delete = runtime::DeleteRequest {
        resource: Some(service),
        ..Default::default()
    };
    let consume = events::ConsumeRequest {
        topic: "news".into(),
        ..Default::default()
    };
    let topicless = broker::PublishRequest {
        topic: "news".into(),
        message: None,
    };
    vec![
        row(
            "/registry.Registry/GetService",
            &get,
            404,
            "registry.Registry.GetService",
            "service not found",
        ),
        row("/store.Store/Read", &read, 404, "store.Store.Read", "not found"),
        row(
            "/store.Store/Write",
            &store::WriteRequest::default(),
            400,
            "store.Store.Write",
            "no record specified",
        ),
        row("/store.BlobStore/Read", &blob, 404, "store.Blob.Read", "Blob not found"),
        row(
            "/store.BlobStore/Read",
            &store::BlobReadRequest::default(),
            400,
            "store.Blob.Read",
            "Missing key",
        ),
        row(
            "/auth.Auth/Token",
            &account,
            400,
            "auth.Auth.Token",
            "invalid token provided",
        ),
        row(
            "/auth.Auth/Inspect",
            &auth::InspectRequest::default(),
            400,
            "auth.Auth.Inspect",
            "invalid token provided",
        ),
        row(
            "/config.Config/Set",
            &config::SetRequest::default(),
            400,
            "config.Config.Update",
            "invalid change",
        ),
        row(
            "/config.Config/Set",
            &bad_json,
            400,
            "config.Config.Set",
            "Request is invalid JSON: ",
        ),
        row(
            "/config.Config/Get",
            &unconfigured,
            404,
            "config.Config.Get",
            "Not found",
        ),
        row(
            "/config.Config/Delete",
            &config::DeleteRequest::default(),
            404,
            "config.Config.Delete",
            "Not found",
        ),
        row(
            "/broker.Broker/Publish",
            &topicless,
            400,
            "broker.Broker.Publish",
            "Missing message",
        ),
        row(
            "/events.Stream/Publish",
            &events::PublishRequest::default(),
            400,
            "events.Stream.Publish",
            "Missing topic",
        ),
        row(
            "/events.Stream/Consume",
            &consume,
            500,
            "events.Stream.Consume",
            "invalid AckWait passed, should be positive integer",
        ),
        row(
            "/runtime.Runtime/Create",
            &runtime::CreateRequest::default(),
            400,
            "runtime.Runtime.Create",
            "blank resource",
        ),
        row(
            "/runtime.Runtime/Delete",
            &delete,
            404,
            "runtime.Runtime.Delete",
            "not found",
        ),
        row(
            "/nosuch.Thing/Do",
            &get,
            500,
            "go.micro.client",
            "service nosuch: route not found",
        ),
        row("/Auth/Token", &get, 400, "go.micro.proxy", "service name is blank"),
    ]
}

#[tokio::test]
async fn refusals_are_in_the_words_of_the_reference() -> Result<()> {
    let door = Door::open().await?;
    let mut wrong = Vec::new();
    for row in refusals() {
        let (code, id, words) = door.refusal(&like_a_command(row.path), row.request).await?;
        if code != row.code || id != row.id || !words.starts_with(row.words) {
            wrong.push(format!(
                "{}: {code} {id} {words}, not {} {} {}",
                row.path, row.code, row.id, row.words
            ));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Nobody at all, and who may not.
#[tokio::test]
async fn who_may_not_is_told_so_in_the_words_of_the_reference() -> Result<()> {
    let door = Door::open().await?;
    let nobody = |path: &str| {
        let mut exchange = like_a_command(path);
        exchange.headers.remove("authorization");
        exchange
    };
    // One sentence from the door for all of them; upstream's broker and upload have their own.
    for (path, id) in [
        ("/registry.Registry/ListServices", "registry.Registry.ListServices"),
        ("/store.Store/List", "store.Store.List"),
        ("/broker.Broker/Publish", "broker.Broker.Publish"),
        ("/runtime.Source/Upload", "runtime.Source.Upload"),
    ] {
        let refused = door.refusal(&nobody(path), "").await?;
        ensure!(
            refused == (401, id.into(), "An account is required".into()),
            "{path}: {refused:?}"
        );
    }
    // An account of one namespace asks about another.
    let generate = auth::GenerateRequest {
        id: "guest".into(),
        secret: "a long enough secret".into(),
        r#type: "user".into(),
        ..Default::default()
    };
    door.tell::<auth::GenerateResponse>("/auth.Auth/Generate", &generate)
        .await?;
    let token = auth::TokenRequest {
        id: "guest".into(),
        secret: "a long enough secret".into(),
        ..Default::default()
    };
    let answer: auth::TokenResponse = door.tell("/auth.Auth/Token", &token).await?;
    let guest = format!("Bearer {}", answer.token.unwrap_or_default().access_token);
    let guests = |path: &str| with(like_a_command(path), "authorization", &guest);
    let elsewhere = registry::ListRequest {
        options: Some(registry::Options {
            domain: "elsewhere".into(),
            ttl: 0,
        }),
    };
    let refused = door
        .refusal(
            &guests("/registry.Registry/ListServices"),
            Codec::Proto.encode(&elsewhere),
        )
        .await?;
    let words = "Access denied to namespace";
    ensure!(
        refused == (403, "registry.Registry.ListServices".into(), words.into()),
        "{refused:?}"
    );
    let refused = door.refusal(&guests("/store.Store/List"), "").await?;
    ensure!(refused.0 == 403 || refused.0 == 401, "{refused:?}");
    Ok(())
}

/// A rule that denies names the endpoint, and the account where there is one.
#[tokio::test]
async fn a_denied_call_names_what_was_called_and_by_whom() -> Result<()> {
    let world = World::open().await?;
    let rule = auth::CreateRequest {
        rule: Some(auth::Rule {
            id: "closed".into(),
            scope: String::new(),
            resource: Some(auth::Resource {
                name: "helloworld".into(),
                r#type: "service".into(),
                endpoint: "*".into(),
            }),
            access: auth::Access::Denied.into(),
            priority: 10,
        }),
        ..Default::default()
    };
    world
        .door
        .tell::<auth::CreateResponse>("/auth.Rules/Create", &rule)
        .await?;
    let mut nobody = json("/helloworld.Helloworld/Call");
    nobody.headers.remove("authorization");
    let refused = world.door.refusal(&nobody, "{}").await?;
    let words = "Unauthorized call made to helloworld:Helloworld.Call";
    ensure!(refused == (401, "helloworld".into(), words.into()), "{refused:?}");
    let refused = world.door.refusal(&json("/helloworld.Helloworld/Call"), "{}").await?;
    let words = "Forbidden call made to helloworld:Helloworld.Call by admin";
    ensure!(refused == (403, "helloworld".into(), words.into()), "{refused:?}");
    Ok(())
}

/// The message of the status and, once more, its details: clients read either. `%` arrives as it was sent.
#[tokio::test]
async fn an_error_is_json_in_the_status_message_and_a_message_in_its_details() -> Result<()> {
    let door = Door::open().await?;
    let get = registry::GetRequest {
        service: "nosuch".into(),
        ..Default::default()
    };
    let reply = door
        .ask(
            &like_a_command("/registry.Registry/GetService"),
            vec![Codec::Proto.encode(&get)],
        )
        .await?;
    let text = |name: &str| reply.head.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    ensure!(text("grpc-status") == "5", "{:?}", reply.head);
    let json = r#"{"Id":"registry.Registry.GetService","Code":404,"Detail":"service not found","Status":"Not Found"}"#;
    ensure!(text("grpc-message") == json, "{:?}", reply.head);
    let details = BASE64_STANDARD_NO_PAD.decode(text("grpc-status-details-bin").trim_end_matches('='))?;
    let url = b"type.googleapis.com/errors.Error";
    ensure!(details.windows(url.len()).any(|w| w == url), "{details:?}");

    let percent = door.refusal(&like_a_command("/100%25.Thing/Do"), "").await?;
    ensure!(percent.2.contains("100%"), "{percent:?}");
    Ok(())
}
