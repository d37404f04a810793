//! Real compilers.

use micro_testkit::eventually;

use crate::app::{App, SOON, tar};

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
