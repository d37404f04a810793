//! `Source.Upload`.

use futures::{StreamExt, stream};
use micro_error::Kind;
use micro_proto::runtime::{Service, Source as _, UploadRequest};
use micro_tenancy::Caller;

use crate::app::{App, World, script};

#[tokio::test]
async fn an_upload_needs_an_account_a_service_and_bytes() {
    let app = App::start().await;
    let ada = app.ada().caller;
    let service = Service {
        name: "greeter".into(),
        version: "latest".into(),
        ..Service::default()
    };
    let whole = UploadRequest {
        service: Some(service.clone()),
        data: vec![1],
    };
    let table = [
        (
            Caller::anonymous(),
            vec![whole.clone()],
            Kind::Unauthenticated,
            "An account is required to upload source",
        ),
        (ada.clone(), vec![], Kind::Invalid, "No blob was sent"),
        (
            ada.clone(),
            vec![UploadRequest {
                service: None,
                data: vec![1],
            }],
            Kind::Invalid,
            "No service was sent",
        ),
        (
            ada,
            vec![UploadRequest {
                service: Some(service),
                data: vec![],
            }],
            Kind::Invalid,
            "No blob was sent",
        ),
    ];
    for (caller, messages, kind, words) in table {
        let refused = app
            .runtime
            .upload(&caller, stream::iter(messages.into_iter().map(Ok)).boxed())
            .await;
        let refused = refused.expect_err(words);
        assert_eq!(
            (refused.kind(), refused.message(), refused.id()),
            (kind, words, "runtime.Source.Upload")
        );
    }
    assert_eq!(
        app.ada().upload("greeter", script("")).await.expect("uploaded"),
        "source://greeter:latest"
    );
    app.stop().await;
}

#[tokio::test]
async fn uploads_that_no_service_names_do_not_pile_up() {
    use micro_storage::blobs::Blobs as _;
    let mut world = World::new();
    world.limits.services.max = 2;
    let app = world.start().await;
    let ada = app.ada();
    ada.run("aaa", script("exec sleep 1000\n")).await;
    for n in 0..20 {
        ada.upload(&format!("never-run-{n}"), script(""))
            .await
            .expect("uploaded");
    }
    let tenant = ada.caller.enter("").expect("her own");
    let kept = app.world.blobs.list(&tenant, "source/").await.expect("listed");
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.contains(&"source/aaa:latest".to_owned()), "{kept:?}");
    app.stop().await;
}
