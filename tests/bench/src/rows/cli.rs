//! The command line: from exec to exit.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use crate::{
    harness::{Budget, Contender, Figure, Row, Sample, Settings, contest, median},
    world::local::{Home, Profile},
};

const GROUP: &str = "cli";
const MILLIS: Figure = Figure::Amount("ms");

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let home = Home::new(settings, Profile::Local)?;
    let server = home.start(None, None).await?;
    let micro = |words: &[&str]| {
        let mut command = home.command();
        command.args(words);
        command
    };
    let proxy = server.at.proxy.to_string();
    for words in [
        &["env", "add", "bench", &proxy][..],
        &["env", "set", "bench"],
        &["login", "--username", "admin", "--password", "micro"],
        &["store", "write", "visits", "7"],
    ] {
        run_once(&mut micro(words)).with_context(|| format!("micro {words:?}"))?;
    }
    let times = settings.size(10, 2);
    let contenders = vec![
        repeated("ours", times, micro(&["--version"])),
        repeated("true", times, Command::new("true")),
    ];
    let rounds = contest(settings, contenders).await?;
    let row = Row::beside(GROUP, "micro --version", MILLIS, &rounds[0], rounds.get(1), "true");
    rows.push(row.within(Budget::AtMost(8.0)));
    let contenders = vec![repeated("ours", times, micro(&["store", "read", "visits"]))];
    let rounds = contest(settings, contenders).await?;
    rows.push(Row::new(GROUP, "micro store read", MILLIS, &rounds[0]).within(Budget::AtMost(15.0)));
    server.stop().await
}

fn repeated(name: &'static str, times: usize, mut command: Command) -> Contender {
    let mut round = move || {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            run_once(&mut command)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Sample {
            amount: median(took),
            ..Sample::default()
        })
    };
    Contender::new(name, move |_| std::future::ready(round()))
}

fn run_once(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
