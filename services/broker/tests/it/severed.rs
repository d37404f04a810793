//! A line to Redis that can be cut so that neither end is told.

use std::path::PathBuf;

use micro_testkit::RedisServer;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

pub struct Line {
    folder: TempDir,
    cuts: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Line {
    pub fn to(server: &RedisServer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("line.sock")).expect("a socket");
        let redis = PathBuf::from(server.url().trim_start_matches("redis+unix://"));
        let cuts = watch::Sender::new(());
        let accepting = tokio::spawn(accept(listener, redis, cuts.clone()));
        Self {
            folder,
            cuts,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("line.sock").display())
    }

    /// From now on nothing passes over the connections that there are. New ones are whole.
    pub fn sever(&self) {
        self.cuts.send_replace(());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, redis: PathBuf, cuts: watch::Sender<()>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (redis, mut cut) = (redis.clone(), cuts.subscribe());
        tokio::spawn(async move {
            let mut server = UnixStream::connect(redis).await.expect("a running server");
            tokio::select! {
                _ended = copy_bidirectional(&mut client, &mut server) => {}
                // Both ends stay open: nobody is told.
                _ = cut.changed() => std::future::pending().await,
            }
        });
    }
}
