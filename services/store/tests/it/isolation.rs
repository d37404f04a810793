//! Every rpc, with somebody else's namespace in every field that can name one: nothing of it is seen or changed.

use std::{collections::BTreeSet, fmt::Debug};

use futures::{StreamExt, TryStreamExt, stream};
use micro_error::Error;
use micro_proto::store::{
    AbandonUploadRequest, BeginUploadRequest, BlobDeleteRequest, BlobOptions, BlobReadRequest, BlobStore,
    BlobWriteRequest, Blobs, DatabasesRequest, DeleteOptions, DeleteRequest, ExportRequest, FetchBlobRequest,
    FinishUploadRequest, GetRequest, ImportRequest, ListBlobsRequest, ListOptions, ListRequest, ReadOptions,
    ReadRequest, Records, Snapshots, Store, Stored, TablesRequest, UpdateRequest, UploadPart, WriteOptions,
    WriteRequest, descriptor,
};
use micro_tenancy::{Caller, Metadata};

use crate::world::{World, admin, guest, record, service};

const CANARY: &str = "canary-of-ada";

type Answers = Vec<(&'static str, Result<String, Error>)>;

/// The answers of every rpc, as text, to requests that name a namespace and a table wherever they can.
async fn ask_everything(world: &World, caller: &Caller, named: &str, table: &str) -> Answers {
    fn text<T: Debug>(answer: Result<T, Error>) -> Result<String, Error> {
        answer.map(|answer| format!("{answer:?}"))
    }
    let store = &world.store;
    let (database, table) = (named.to_owned(), table.to_owned());
    let key = "secret".to_owned();
    let record = Some(record("secret", b"overwritten"));
    let write = Some(WriteOptions {
        database: database.clone(),
        table: table.clone(),
    });
    let blobs = Some(BlobOptions {
        namespace: database.clone(),
    });
    let reads = ReadOptions {
        database: database.clone(),
        table: table.clone(),
        prefix: true,
        ..Default::default()
    };
    let lists = ListOptions {
        database: database.clone(),
        table: table.clone(),
        ..Default::default()
    };
    let deletes = Some(DeleteOptions {
        database: database.clone(),
        table: table.clone(),
    });
    let exact = ReadOptions {
        prefix: false,
        ..reads.clone()
    };
    let mut answers: Answers = Vec::new();
    let mut say = |id, answer| answers.push((id, answer));
    for options in [reads, exact] {
        let request = ReadRequest {
            key: key.clone(),
            options: Some(options),
        };
        let answer = Store::read(store, caller, request).await;
        // What is stored is bytes: shown as text here, so that a canary would be found.
        let shown = answer.map(|a| {
            a.records
                .iter()
                .map(|r| String::from_utf8_lossy(&r.value).into_owned())
                .collect()
        });
        say("store.Store.Read", shown.map(|values: Vec<String>| values.concat()));
    }
    let request = WriteRequest {
        record: record.clone(),
        options: write.clone(),
    };
    say("store.Store.Write", text(Store::write(store, caller, request).await));
    let request = UpdateRequest {
        record,
        options: write,
        expect_version: 0,
    };
    say(
        "store.Records.Update",
        text(Records::update(store, caller, request).await),
    );
    let request = GetRequest {
        key: key.clone(),
        database: database.clone(),
        table: table.clone(),
    };
    let got = Records::get(store, caller, request).await;
    let got = got.map(|a| String::from_utf8_lossy(&a.record.unwrap_or_default().value).into_owned());
    say("store.Records.Get", got);
    let listed = match Store::list(store, caller, ListRequest { options: Some(lists) }).await {
        Ok(messages) => messages.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    say("store.Store.List", text(listed));
    say(
        "store.Store.Databases",
        text(Store::databases(store, caller, DatabasesRequest {}).await),
    );
    say(
        "store.Store.Tables",
        text(Store::tables(store, caller, TablesRequest { database }).await),
    );
    let request = DeleteRequest {
        key: key.clone(),
        options: deletes,
    };
    say("store.Store.Delete", text(Store::delete(store, caller, request).await));
    let request = BlobReadRequest {
        key: key.clone(),
        options: blobs.clone(),
    };
    let read = match BlobStore::read(store, caller, request).await {
        Ok(messages) => messages.map_ok(|m| m.blob).try_concat().await,
        Err(error) => Err(error),
    };
    say(
        "store.BlobStore.Read",
        read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    );
    let message = BlobWriteRequest {
        key: key.clone(),
        options: blobs.clone(),
        blob: b"overwritten".into(),
    };
    let sent = stream::iter([Ok(message)]).boxed();
    say(
        "store.BlobStore.Write",
        text(BlobStore::write(store, caller, sent).await),
    );
    answers.extend(ask_ours(world, caller, named, &table).await);
    let mut say = |id, answer| answers.push((id, answer));
    let request = BlobDeleteRequest { key, options: blobs };
    say(
        "store.BlobStore.Delete",
        text(BlobStore::delete(store, caller, request).await),
    );
    answers
}

/// The same of the rpcs that are not Micro's. What is stored is shown as text.
async fn ask_ours(world: &World, caller: &Caller, named: &str, table: &str) -> Answers {
    fn text<T: Debug>(answer: Result<T, Error>) -> Result<String, Error> {
        answer.map(|answer| format!("{answer:?}"))
    }
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let store = &world.store;
    let options = Some(BlobOptions {
        namespace: named.into(),
    });
    let upload = world.upload_of_ada().await;
    let mut answers: Answers = Vec::new();
    let mut say = |id, answer| answers.push((id, answer));
    let request = BeginUploadRequest {
        key: "secret".into(),
        options: options.clone(),
        ..Default::default()
    };
    say("store.Blobs.Begin", text(store.begin(caller, request).await));
    let part = UploadPart {
        upload: upload.clone(),
        options: options.clone(),
        offset: 0,
        data: b"overwritten".into(),
    };
    let sent = stream::iter([Ok(part)]).boxed();
    say("store.Blobs.Send", text(Blobs::send(store, caller, sent).await));
    let request = FinishUploadRequest {
        upload: upload.clone(),
        options: options.clone(),
        ..Default::default()
    };
    say("store.Blobs.Finish", text(store.finish(caller, request).await));
    let request = AbandonUploadRequest {
        upload,
        options: options.clone(),
    };
    say("store.Blobs.Abandon", text(store.abandon(caller, request).await));
    let request = FetchBlobRequest {
        key: "secret".into(),
        options: options.clone(),
        ..Default::default()
    };
    let fetched = match store.fetch(caller, request).await {
        Ok(parts) => parts.map_ok(|part| part.data).try_concat().await,
        Err(error) => Err(error),
    };
    say("store.Blobs.Fetch", fetched.map(|bytes| shown(&bytes)));
    let request = ListBlobsRequest {
        options,
        ..Default::default()
    };
    say("store.Blobs.List", text(Blobs::list(store, caller, request).await));
    let request = ExportRequest {
        database: named.into(),
        table: table.into(),
    };
    let exported = match Snapshots::export(store, caller, request).await {
        Ok(pages) => pages.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    let records = exported.map(|pages| pages.into_iter().flat_map(|page| page.records));
    let records = records.map(|all| all.map(|r| r.key + &shown(&r.value)).collect());
    say("store.Snapshots.Export", records);
    let stored = Stored {
        table: if table.is_empty() { "micro".into() } else { table.into() },
        key: "secret".into(),
        value: b"overwritten".into(),
        ..Default::default()
    };
    let request = ImportRequest {
        database: named.into(),
        records: vec![stored],
    };
    let sent = stream::iter([Ok(request)]).boxed();
    say(
        "store.Snapshots.Import",
        text(Snapshots::import(store, caller, sent).await),
    );
    answers
}

impl World {
    /// An upload that Ada has begun: its id is known to everybody here.
    async fn upload_of_ada(&self) -> String {
        let request = BeginUploadRequest {
            key: format!("{CANARY} on its way"),
            bytes: 11,
            sha256: "0".repeat(64),
            ..Default::default()
        };
        self.store.begin(&admin("ada-ns"), request).await.expect("hers").upload
    }
}

/// A world in which Ada has a secret of each kind.
async fn with_secrets() -> World {
    let world = World::new();
    let ada = admin("ada-ns");
    world.put(&ada, "secret", CANARY).await;
    world.put(&ada, CANARY, "in a key").await;
    world
        .put_blob(&ada, "secret", &[CANARY.as_bytes()])
        .await
        .expect("written");
    world
}

async fn assert_untouched(world: &World) {
    let ada = admin("ada-ns");
    assert_eq!(world.get(&ada, "secret").await.expect("there").value, CANARY.as_bytes());
    assert_eq!(
        world.get_blob(&ada, "secret").await.expect("there").concat(),
        CANARY.as_bytes()
    );
    let keys = world.list(&ada, Default::default()).await.expect("listed").concat();
    assert_eq!(keys, [CANARY, "secret"]);
    let listed = Blobs::list(&world.store, &ada, ListBlobsRequest::default())
        .await
        .expect("listed");
    assert!(listed.uploads.iter().all(|upload| upload.received == 0), "{listed:?}");
}

#[tokio::test]
async fn the_list_of_rpcs_is_complete() {
    let asked: BTreeSet<_> = ask_everything(&World::new(), &admin("ada-ns"), "", "")
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let all = descriptor::SERVICES.iter().flat_map(|service| service.methods);
    assert_eq!(asked, all.map(|method| method.id).collect());
}

#[tokio::test]
async fn naming_a_namespace_of_somebody_else_is_refused_alike_whether_it_exists_or_not() {
    let world = with_secrets().await;
    let header = Metadata::from([("micro-namespace".to_owned(), "ada-ns".to_owned())]);
    let strangers = [
        admin("eve-ns"),
        service("eve-ns"),
        guest("eve-ns"),
        admin("eve-ns").with_metadata(header),
    ];
    for eve in strangers {
        for named in [
            "ada-ns",
            "nobodys-ns",
            "micro",
            "\u{1}core",
            "ada-ns/",
            "*",
            "eve-ns\0ada-ns",
            " ",
        ] {
            for (id, answer) in ask_everything(&world, &eve, named, "micro").await {
                match answer {
                    Ok(shown) if id == "store.Store.Databases" => assert!(!shown.contains("ada"), "{shown}"),
                    Ok(shown) => panic!("{id} with {named:?}: {shown}"),
                    Err(error) if error.message() == "Unauthorized" => assert_eq!(id, "store.Store.Databases"),
                    Err(error) => assert_eq!(
                        (error.kind().status(), error.message()),
                        (403, "Access denied to namespace"),
                        "{id} with {named:?}"
                    ),
                }
            }
        }
    }
    assert_untouched(&world).await;
}

#[tokio::test]
async fn nobody_and_guests_may_do_nothing() {
    let world = with_secrets().await;
    for (caller, named, words) in [
        (Caller::anonymous(), "", "An account is required"),
        (Caller::anonymous(), "ada-ns", "An account is required"),
        (guest("ada-ns"), "", "Unauthorized"),
        (guest("ada-ns"), "ada-ns", "Unauthorized"),
    ] {
        for (id, answer) in ask_everything(&world, &caller, named, "").await {
            let error = answer.expect_err(id);
            assert_eq!((error.kind().status(), error.message()), (401, words), "{id}");
        }
    }
    assert_untouched(&world).await;
}

#[tokio::test]
async fn no_table_leads_out_of_ones_own_namespace() {
    let world = with_secrets().await;
    let eve = admin("eve-ns");
    for table in [
        "",
        "micro",
        "ada-ns/micro",
        "../ada-ns/micro",
        "store_blobs",
        "\u{1}core",
        "a\0ada-ns\0micro",
        "%",
    ] {
        for (id, answer) in ask_everything(&world, &eve, "", table).await {
            let shown = format!("{answer:?}");
            assert!(!shown.contains(CANARY), "{id} with {table:?}: {shown}");
        }
    }
    assert_untouched(&world).await;
}
