//! How much an instance may take.

use micro_sandbox::{ExitReason, MemoryLimit};

use crate::support::{Workplace, confined, texts};

#[tokio::test]
async fn a_fork_bomb_is_bounded() {
    let launcher = confined();
    let place = Workplace::new();
    let mut spec = place.role(launcher.mode(), ["fork"]);
    spec.limits.tasks = 40;
    launcher
        .launch(spec)
        .await
        .expect("started")
        .wait()
        .await
        .expect("ended");
    let forked: u32 = texts(&place)[0].parse().expect("a count");
    assert!((20..40).contains(&forked), "{forked} forks");
}

#[tokio::test]
async fn a_memory_bomb_is_bounded_and_named() {
    let launcher = confined();
    let place = Workplace::new();
    let mut spec = place.role(launcher.mode(), ["allocate", "1024"]);
    spec.limits.memory_bytes = 128 << 20;
    let keeper = launcher.launch(spec).await.expect("started");
    let exit = keeper.wait().await.expect("ended");
    assert!(!texts(&place).iter().any(|text| text.starts_with("allocated")));
    match keeper.capabilities().memory {
        MemoryLimit::Instance => assert_eq!(exit.reason, ExitReason::OutOfMemory),
        // The allocation fails instead, and Rust ends the program.
        MemoryLimit::Process => assert_eq!(exit.reason, ExitReason::Signal(libc::SIGABRT)),
        MemoryLimit::None => panic!("nothing bounds memory"),
    }
    assert!(!place.state_dir().join("cgroups").exists(), "its groups are gone");
}

#[tokio::test]
async fn scratch_space_is_bounded() {
    let launcher = confined();
    for directory in ["/tmp", "/dev/shm"] {
        let place = Workplace::new();
        let mut spec = place.role(launcher.mode(), ["fill", directory]);
        spec.limits.tmp_bytes = 8 << 20;
        launcher
            .launch(spec)
            .await
            .expect("started")
            .wait()
            .await
            .expect("ended");
        let megabytes: u32 = texts(&place)[0].parse().expect("a count");
        assert!((6..=8).contains(&megabytes), "{megabytes} MiB in {directory}");
    }
}

#[tokio::test]
async fn a_file_is_bounded() {
    let launcher = confined();
    let place = Workplace::new();
    let mut spec = place.role(launcher.mode(), ["fill", "/data"]);
    spec.binds.push(place.writable(launcher.mode(), "data"));
    spec.limits.file_bytes = 4 << 20;
    let exit = launcher
        .launch(spec)
        .await
        .expect("started")
        .wait()
        .await
        .expect("ended");
    assert_eq!(exit.reason, ExitReason::Signal(libc::SIGXFSZ));
    assert_eq!(
        std::fs::metadata(place.path("data/fill")).expect("a file").len(),
        4 << 20
    );
}
