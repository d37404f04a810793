//! Starting, watching and ending, without and with confinement.

use std::time::{Duration, Instant};

use micro_sandbox::{Exit, ExitReason, Keeper, LaunchError, LogReader, Stream};

use crate::support::{Workplace, confined, launchers, lines, texts, until};

#[tokio::test]
async fn a_program_runs_and_its_code_is_kept() {
    for launcher in launchers() {
        let place = Workplace::new();
        let keeper = launcher
            .launch(place.script("echo out; echo err >&2; exit 7"))
            .await
            .expect("started");
        let exit = keeper.wait().await.expect("ended");
        assert_eq!(exit.reason, ExitReason::Code(7));
        assert_eq!(Exit::recorded(&place.state_dir()), Some(exit));
        assert!(Keeper::adopt(&place.state_dir()).is_none());

        let records = lines(LogReader::from(keeper.log_dir(), 0));
        let of = |stream| {
            records
                .iter()
                .filter(|r| r.stream == stream)
                .map(|r| r.text.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Stream::Stdout), ["out"]);
        assert_eq!(of(Stream::Stderr), ["err"]);
        assert_eq!(of(Stream::System), ["exited with code 7"]);
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_once() {
    for launcher in launchers() {
        let place = Workplace::new();
        let error = launcher
            .launch(place.command(["no-such-program"]))
            .await
            .expect_err("nothing to run");
        let LaunchError::Step(failure) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (failure.step.as_str(), failure.errno),
            ("run \"no-such-program\"", Some(2))
        );
    }
}

#[tokio::test]
async fn nothing_of_the_servers_environment_is_left() {
    for launcher in launchers() {
        let place = Workplace::new();
        let keeper = launcher.launch(place.command(["env"])).await.expect("started");
        keeper.wait().await.expect("ended");
        assert_eq!(texts(&place), ["PATH=/usr/bin:/bin", "exited with code 0"]);
    }
}

#[tokio::test]
async fn a_program_writes_where_it_may_and_nowhere_else() {
    let place = Workplace::new();
    let mut spec = place.script("echo kept > file; echo no > /usr/file; echo no > /file; cat file");
    spec.binds.push(place.writable(confined().mode(), "data"));
    spec.cwd = "/data".into();
    confined()
        .launch(spec)
        .await
        .expect("started")
        .wait()
        .await
        .expect("ended");
    assert_eq!(
        std::fs::read_to_string(place.path("data/file")).expect("written"),
        "kept\n"
    );
    let texts = texts(&place);
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts.contains(&"kept".to_owned()));
}

#[tokio::test]
async fn what_a_link_points_to_is_not_shown() {
    let place = Workplace::new();
    std::os::unix::fs::symlink("/etc", place.path("link")).expect("a link");
    let mut spec = place.command(["true"]);
    spec.binds.push(micro_sandbox::Bind {
        source: place.path("link"),
        target: "/data".into(),
        writable: true,
    });
    let error = confined().launch(spec).await.expect_err("refused");
    let LaunchError::Step(failure) = error else {
        panic!("{error:?}")
    };
    assert_eq!(failure.errno, Some(libc::ELOOP), "{failure}");
    assert!(
        !place.state_dir().join("cgroups").exists(),
        "what was made is gone again"
    );
}

#[tokio::test]
async fn stop_asks_first_and_then_ends_orphans_too() {
    for launcher in launchers() {
        let place = Workplace::new();
        let marker = format!(
            "{}.25",
            100_000_000 + u32::from(u16::from_ne_bytes(micro_clock::Ids.bytes()))
        );
        let spec = place.script(&format!(
            "trap 'echo told' TERM; (setsid sh -c 'trap \"\" TERM; sleep {marker} & wait' &); echo up; while :; do sleep 0.05; done",
        ));
        let keeper = launcher.launch(spec).await.expect("started");
        until("the orphan", || processes_with(&marker) > 1).await;

        let exit = keeper.stop(Duration::from_millis(200)).await.expect("ended");
        assert_eq!(exit.reason, ExitReason::Signal(9));
        assert!(texts(&place).contains(&"told".to_owned()));
        until("nothing is left", || processes_with(&marker) == 0).await;
        assert!(!keeper.is_alive());
    }
}

#[tokio::test]
async fn a_killed_keeper_takes_everything_with_it() {
    let place = Workplace::new();
    let marker = format!(
        "{}.75",
        200_000_000 + u32::from(u16::from_ne_bytes(micro_clock::Ids.bytes()))
    );
    let spec = place.script(&format!(
        "(setsid sh -c 'trap \"\" TERM; sleep {marker} & wait' &); wait; sleep {marker}"
    ));
    let id = spec.id.to_string();
    let keeper = confined().launch(spec).await.expect("started");
    until("the orphan", || processes_with(&marker) > 2).await;

    // SAFETY: plain numbers.
    unsafe { libc::kill(pid_with(&id).expect("a keeper"), libc::SIGKILL) };
    assert_eq!(keeper.wait().await.expect("ended").reason, ExitReason::Lost);
    assert_eq!(processes_with(&marker), 0);
}

#[tokio::test]
async fn a_second_keeper_in_the_same_place_is_refused() {
    for launcher in launchers() {
        let place = Workplace::new();
        let keeper = launcher
            .launch(place.command(["sleep", "1000"]))
            .await
            .expect("started");
        assert!(matches!(
            launcher.launch(place.command(["true"])).await,
            Err(LaunchError::Running)
        ));
        let adopted = Keeper::adopt(&place.state_dir()).expect("found");
        adopted.stop(Duration::from_secs(1)).await.expect("ended");
        assert!(!keeper.is_alive());
        // And afterwards there is room again.
        let keeper = launcher.launch(place.command(["true"])).await.expect("started");
        assert!(keeper.wait().await.expect("ended").success());
    }
}

#[tokio::test]
async fn nothing_outlives_its_directory() {
    for launcher in launchers() {
        let place = Workplace::new();
        let spec = place.script("trap '' TERM; while :; do echo on; sleep 0.01; done");
        let keeper = launcher.launch(spec).await.expect("started");
        // Again, should the keeper have made a new segment meanwhile.
        until("the directory is gone", || {
            std::fs::remove_dir_all(place.state_dir()).is_ok()
        })
        .await;
        assert_eq!(keeper.wait().await.expect("ended").reason, ExitReason::Lost);
    }
}

#[tokio::test]
async fn starting_costs_milliseconds() {
    for launcher in launchers() {
        let mut times = Vec::new();
        for _ in 0..11 {
            let place = Workplace::new();
            let begun = Instant::now();
            let keeper = launcher.launch(place.command(["true"])).await.expect("started");
            keeper.wait().await.expect("ended");
            times.push(begun.elapsed());
        }
        times.sort();
        println!(
            "{:?}: spawn to exit p50 {:?}, worst {:?}",
            launcher.mode(),
            times[5],
            times[10]
        );
        assert!(times[5] < Duration::from_millis(500), "{times:?}");
    }
}

/// How many processes of this machine have `text` among their arguments.
fn processes_with(text: &str) -> usize {
    command_lines().filter(|(_, line)| line.contains(text)).count()
}

/// The first process that has `text` among its arguments.
pub fn pid_with(text: &str) -> Option<i32> {
    command_lines()
        .find(|(_, line)| line.contains(text))
        .map(|(pid, _)| pid)
}

fn command_lines() -> impl Iterator<Item = (i32, String)> {
    std::fs::read_dir("/proc").expect("listed").filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some((
            pid,
            String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).ok()?).into_owned(),
        ))
    })
}
