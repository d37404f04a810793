//! Starting, watching and ending, in every mode.

use std::time::Duration;

use micro_sandbox::{Exit, ExitReason, Keeper, LaunchError, LogReader, Stream};

use crate::support::{Workplace, lines, plain, texts, until};

#[tokio::test]
async fn a_program_runs_and_its_code_is_kept() {
    let place = Workplace::new();
    let keeper = plain()
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

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_once() {
    let place = Workplace::new();
    let error = plain()
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

#[tokio::test]
async fn nothing_of_the_servers_environment_is_left() {
    let place = Workplace::new();
    let keeper = plain().launch(place.command(["env"])).await.expect("started");
    keeper.wait().await.expect("ended");
    assert_eq!(texts(&place), ["PATH=/usr/bin:/bin", "exited with code 0"]);
}

#[tokio::test]
async fn stop_asks_first_and_then_ends_orphans_too() {
    let place = Workplace::new();
    let spec = place.script(
        "trap 'echo told' TERM; (setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &) ; while :; do sleep 0.05; done",
    );
    let keeper = plain().launch(spec).await.expect("started");
    until("the orphan's number", || texts(&place).len() == 1).await;
    let orphan = texts(&place)[0].clone();
    assert!(std::path::Path::new("/proc").join(&orphan).exists());

    let exit = keeper.stop(Duration::from_millis(200)).await.expect("ended");
    assert_eq!(exit.reason, ExitReason::Signal(9));
    assert_eq!(texts(&place)[1], "told");
    assert!(!std::path::Path::new("/proc").join(&orphan).exists());
    assert!(!keeper.is_alive());
}

#[tokio::test]
async fn a_second_keeper_in_the_same_place_is_refused() {
    let place = Workplace::new();
    let keeper = plain().launch(place.command(["sleep", "1000"])).await.expect("started");
    assert!(matches!(
        plain().launch(place.command(["true"])).await,
        Err(LaunchError::Running)
    ));
    let adopted = Keeper::adopt(&place.state_dir()).expect("found");
    adopted.stop(Duration::ZERO).await.expect("ended");
    assert!(!keeper.is_alive());
}
