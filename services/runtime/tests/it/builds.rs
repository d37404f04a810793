//! Real compilers.

use std::{fs, path::PathBuf};

use micro_runtime::Sdk;
use micro_testkit::eventually;

use crate::app::{App, SOON, World, tar};

const MANIFEST: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

#[tokio::test]
async fn a_rust_service_is_built_and_run() {
    let app = App::start().await;
    let ada = app.ada();
    let main = "fn main() { println!(\"I am Rust\"); loop { std::thread::park(); } }\n";
    let news = ada
        .run("tiny", tar(&[("Cargo.toml", MANIFEST), ("src/main.rs", main)]))
        .await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    assert!(
        news.iter().any(|e| e.line.contains("Compiling tiny v0.1.0")),
        "{news:?}"
    );
    eventually("it speaks", SOON, || async {
        ada.output("tiny").await == ["I am Rust"]
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_build_that_fails_shows_the_compilers_own_words() {
    let app = App::start().await;
    let ada = app.ada();
    let news = ada
        .run(
            "tiny",
            tar(&[("Cargo.toml", MANIFEST), ("src/main.rs", "fn main() { nothing() }\n")]),
        )
        .await;
    let last = news.last().expect("news");
    assert_eq!(last.status, 7);
    assert!(
        last.error
            .contains("error[E0425]: cannot find function `nothing` in this scope --> src/main.rs:1:13"),
        "{}",
        last.error
    );
    assert!(
        news.iter().any(|e| e.line.contains("error[E0425]")),
        "and shows them as they come"
    );
    assert_eq!(ada.status("tiny").await, 7);
    app.stop().await;
}

/// An SDK in one function, with a place for its layers.
fn sdk(world: &World, cache: PathBuf) -> Sdk {
    let source = world.folder.path().join("sdk");
    fs::create_dir_all(source.join("src")).expect("a folder");
    let manifest = "[package]\nname = \"micro-sdk\"\nversion = \"0.1.3\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(source.join("Cargo.toml"), manifest).expect("a file");
    let serve =
        "pub fn serve() -> ! {\n    println!(\"I am served\");\n    loop {\n        std::thread::park();\n    }\n}\n";
    fs::write(source.join("src/lib.rs"), serve).expect("a file");
    Sdk { source, cache }
}

fn served(name: &str) -> Vec<u8> {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nmicro-sdk = \"0.1\"\n"
    );
    tar(&[
        ("Cargo.toml", &manifest),
        ("src/main.rs", "fn main() { micro_sdk::serve() }\n"),
    ])
}

#[tokio::test]
async fn unconfined_too_the_sdk_is_compiled_once_for_all_services() {
    let mut world = World::new();
    world.sdk = Some(sdk(&world, world.folder.path().join("layers")));
    let app = world.start().await;
    let ada = app.ada();
    for name in ["first", "second"] {
        let news = ada.run(name, served(name)).await;
        assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
        assert!(!news.iter().any(|e| e.line.contains("Compiling micro-sdk")), "{news:?}");
        eventually("it speaks", SOON, || async {
            ada.output(name).await == ["I am served"]
        })
        .await;
    }
    app.stop().await;
}

#[tokio::test]
async fn unconfined_a_layer_that_cannot_be_made_is_done_without() {
    let mut world = World::new();
    let no_folder = world.folder.path().join("a-file");
    fs::write(&no_folder, "").expect("a file");
    world.sdk = Some(sdk(&world, no_folder));
    let app = world.start().await;
    let ada = app.ada();
    let news = ada.run("first", served("first")).await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    assert!(news.iter().any(|e| e.line.contains("building without")), "{news:?}");
    app.stop().await;
}
