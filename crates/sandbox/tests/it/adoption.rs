//! A server that is killed loses nothing: the next one finds its instances, their doors and their logs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use micro_sandbox::{Door, Entry, ExitReason, Keeper, LogReader, Mode, Spec};

use crate::{
    doors::{connect, read},
    launching::pid_with,
    support::{Workplace, launchers, texts},
};

/// Launches from another process, and kills that process.
fn launch_and_die(mode: Mode, spec: &Spec) {
    let mut server = Command::new(std::env::current_exe().expect("this binary"))
        .args(["role", "launch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut order = serde_json::to_vec(&(mode, spec)).expect("an order");
    order.push(b'\n');
    server.stdin.take().expect("piped").write_all(&order).expect("ordered");
    let mut said = String::new();
    BufReader::new(server.stdout.take().expect("piped"))
        .read_line(&mut said)
        .expect("heard");
    assert_eq!(said, "launched\n");
    server.kill().expect("killed");
    assert_eq!(server.wait().expect("dead").signal(), Some(libc::SIGKILL));
}

#[tokio::test]
async fn a_killed_servers_instance_is_adopted() {
    for launcher in launchers() {
        let place = Workplace::new();
        let mut spec = place.script("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.001; done");
        spec.doors.push(Door {
            name: "ingress".to_owned(),
            inside: "127.0.0.1:8443".parse().expect("an address"),
        });
        launch_and_die(launcher.mode(), &spec);

        let keeper = Keeper::adopt(&place.state_dir()).expect("it outlived its server");
        assert!(keeper.is_alive());
        assert_eq!(keeper.capabilities().mode, launcher.mode());
        assert_eq!(
            keeper.doors().await.expect("handed out").len(),
            usize::from(launcher.mode().confines())
        );

        // A follower goes on across servers, from the sequence it stored.
        let mut stored = 1;
        for _ in 0..3 {
            let mut reader = LogReader::from(keeper.log_dir(), stored);
            let until = stored + 50;
            while reader.next_sequence() < until {
                for entry in reader.follow(10).await.expect("readable") {
                    let Entry::Line(record) = entry else { panic!("a gap") };
                    assert_eq!((record.sequence, record.text), (stored, format!("line {}", stored - 1)));
                    stored += 1;
                }
            }
        }
        assert_eq!(
            keeper.stop(Duration::from_secs(5)).await.expect("ended").reason,
            ExitReason::Signal(15)
        );
        assert!(Keeper::adopt(&place.state_dir()).is_none());
    }
}

#[tokio::test]
async fn an_adopted_instance_still_answers() {
    let [_, launcher] = launchers();
    let place = Workplace::new();
    launch_and_die(launcher.mode(), &place.role(launcher.mode(), ["serve"]));
    let keeper = Keeper::adopt(&place.state_dir()).expect("it outlived its server");
    assert_eq!(read(connect(&keeper, 8080).await), "from inside");
    keeper.stop(Duration::ZERO).await.expect("ended");
}

#[tokio::test]
async fn a_call_made_while_no_server_was_there_is_answered_by_the_next() {
    let [_, launcher] = launchers();
    let place = Workplace::new();
    let mut spec = place.role(launcher.mode(), ["call", "127.0.0.1:8443"]);
    spec.doors.push(Door {
        name: "ingress".to_owned(),
        inside: "127.0.0.1:8443".parse().expect("an address"),
    });
    launch_and_die(launcher.mode(), &spec);

    let keeper = Keeper::adopt(&place.state_dir()).expect("it outlived its server");
    let (_, listener) = keeper.doors().await.expect("handed out").pop().expect("one door");
    let (mut caller, _) = listener.accept().expect("called");
    caller.read_to_string(&mut String::new()).expect("heard");
    caller.write_all(b"here again").expect("written");
    drop(caller);
    assert!(keeper.wait().await.expect("ended").success());
    assert!(texts(&place).contains(&"heard here again".to_owned()));
}

#[tokio::test]
async fn a_keeper_knows_nothing_of_the_server() {
    for launcher in launchers() {
        let place = Workplace::new();
        let spec = place.command(["sleep", "1000"]);
        let id = spec.id.to_string();
        let keeper = launcher.launch(spec).await.expect("started");
        let pid = pid_with(&id).expect("a keeper");
        // A plain user may not even look.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&environment), "");
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        let open: Vec<_> = descriptors
            .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
            .collect();
        let servers = open
            .iter()
            .filter(|path| path.starts_with("/") && !path.starts_with("/dev/null"));
        let strange: Vec<_> = servers
            .filter(|p| !p.starts_with(place.path("")) && !p.starts_with("/sys/fs/cgroup"))
            .collect();
        // Inside, its state is seen from another root.
        assert!(strange.iter().all(|path| in_state(path)), "{strange:?}");
        keeper.stop(Duration::from_secs(1)).await.expect("ended");
    }
}

/// The keeper's own files, by the names they have below its state directory.
fn in_state(path: &Path) -> bool {
    [
        "state/logs",
        "state/exit",
        "state/keeper.err",
        "oom_control",
        "cgroup.procs",
    ]
    .iter()
    .any(|name| path.to_string_lossy().contains(name))
}
