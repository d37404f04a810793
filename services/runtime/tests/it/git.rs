//! Sources from a git host, which here serves plain files (git's own "dumb" protocol: the harder one).

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use micro_proto::runtime::CreateOptions;
use micro_testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::app::{App, SOON};

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git is installed");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with two commits on main and one on dev, which `then` ends the script of; main's first commit.
pub fn repository(root: &Path, then: &str) -> String {
    let work = root.join("work");
    std::fs::create_dir_all(work.join("sub")).expect("a folder");
    git(&work, &["init", "-q"]);
    let commit = |words: &str| {
        std::fs::write(work.join("run.sh"), format!("echo {words}\n{then}\n")).expect("written");
        std::fs::write(work.join("micro.toml"), "command = [\"/bin/sh\", \"run.sh\"]").expect("written");
        std::fs::write(
            work.join("sub/micro.toml"),
            format!("command = \"echo sub {words}; exec sleep 1000\""),
        )
        .expect("written");
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", words]);
        git(&work, &["rev-parse", "HEAD"])
    };
    let first = commit("first");
    commit("second");
    git(&work, &["checkout", "-q", "-b", "dev"]);
    commit("dev");
    git(&work, &["checkout", "-q", "main"]);
    git(root, &["clone", "-q", "--bare", "work", "greeter.git"]);
    git(&root.join("greeter.git"), &["update-server-info"]);
    first
}

/// Serves the files below `root`.
pub async fn host(root: PathBuf) -> SocketAddr {
    private_host(root, "").await
}

/// Serves them to requests whose head holds these words.
async fn private_host(root: PathBuf, password: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let root = root.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 8192];
                let read = peer.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head
                    .split(' ')
                    .nth(1)
                    .unwrap_or("/")
                    .split('?')
                    .next()
                    .unwrap_or_default();
                let file = std::fs::read(root.join(path.trim_start_matches('/')));
                let (status, body) = match file {
                    _ if !head.contains(password) => ("401 Unauthorized", Vec::new()),
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = peer.write_all(&[head.as_bytes(), &body].concat()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn branches_commits_and_folders_are_found() {
    let root = tempfile::tempdir().expect("a folder");
    let first = repository(root.path(), "exec sleep 1000");
    let host = host(root.path().to_owned()).await;
    let app = App::start().await;
    let ada = app.ada();
    let table = [
        ("plain", format!("http://{host}/greeter.git"), "second"),
        ("branch", format!("http://{host}/greeter.git@dev"), "dev"),
        ("commit", format!("http://{host}/greeter.git@{first}"), "first"),
        ("short", format!("http://{host}/greeter.git@{}", &first[..8]), "first"),
        ("folder", format!("http://{host}/greeter.git@dev/sub"), "sub dev"),
    ];
    for (name, source, words) in table {
        ada.create(name, &source, CreateOptions::default())
            .await
            .expect("created");
        let news = ada.news(name).await;
        assert_eq!(news.last().map(|e| e.status), Some(4), "{source}: {news:?}");
        eventually(&format!("{name} speaks"), SOON, || async {
            ada.output(name).await == [words]
        })
        .await;
    }
    let services = ada.services().await;
    assert!(services.iter().all(|s| s.source.starts_with("http://")));
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path(), "exec sleep 1000");
    let host = host(root.path().to_owned()).await;
    let app = App::start().await;
    let ada = app.ada();
    for source in [
        format!("http://{host}/nothing.git"),
        format!("http://{host}/greeter.git@nobranch"),
    ] {
        ada.create("lost", &source, CreateOptions::default())
            .await
            .expect("created");
        let news = ada.news("lost").await;
        let last = news.last().expect("news");
        assert_eq!(last.status, 7);
        assert!(
            last.error.starts_with("Error fetching git source: exited with code 1"),
            "{}",
            last.error
        );
        assert!(!last.error.contains("/runtime/"), "no path of ours: {}", last.error);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_private_repository_is_fetched_with_its_credentials() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path(), "env | grep -c s3same; exec sleep 1000");
    let host = private_host(root.path().to_owned(), "Basic YWRhOnMzc2FtZQ==").await;
    let source = format!("http://{host}/greeter.git");
    let app = App::start().await;
    let ada = app.ada();
    ada.create("greeter", &source, CreateOptions::default())
        .await
        .expect("created");
    assert_eq!(
        ada.news("greeter").await.last().map(|e| e.status),
        Some(7),
        "not without them"
    );
    let secrets = [("GIT_CREDENTIALS".to_owned(), "ada:s3same".to_owned())].into();
    let options = CreateOptions {
        secrets,
        ..CreateOptions::default()
    };
    ada.create("greeter", &source, options).await.expect("created");
    let news = ada.news("greeter").await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    eventually("the service does not see them", SOON, || async {
        ada.output("greeter").await == ["second", "0"]
    })
    .await;
    // An update names none: those of before are used.
    ada.update("greeter", &source).await.expect("updated");
    assert_eq!(
        ada.news("greeter").await.last().map(|e| (e.release, e.status)),
        Some((3, 4))
    );
    let lines = ada.logs("greeter", 0).await.expect("logs");
    assert!(
        lines
            .iter()
            .all(|l| !l.message.contains("s3same") && !l.message.contains("YWRhOnMzc2FtZQ"))
    );
    app.stop().await;
}
