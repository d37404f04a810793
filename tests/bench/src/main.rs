//! `make bench`: how fast Micro is, beside its peers.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use micro_bench::{
    harness::{Machine, Report, Settings},
    rows::{GROUPS, Group},
};

/// Measures Micro beside its peers, in turns, on this machine.
#[derive(Debug, Parser)]
struct Args {
    /// Groups of rows to measure; all without any
    groups: Vec<String>,

    /// Small sizes and few rounds: shows that it runs, not how fast
    #[arg(long)]
    quick: bool,

    /// Rounds of each contender
    #[arg(long)]
    rounds: Option<usize>,

    /// Seconds of each round
    #[arg(long)]
    seconds: Option<f64>,

    /// How to print the report
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,

    /// The micro binary [default: the one beside this one]
    #[arg(long)]
    micro: Option<PathBuf>,

    /// The Envoy binary; without it those rows say that the peer is absent
    #[arg(long)]
    envoy: Option<PathBuf>,

    /// Where databases lie: on a disk
    #[arg(long, default_value = "/var/tmp")]
    dir: PathBuf,

    /// Say which groups there are
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if args.list {
        for group in GROUPS {
            println!("{:10} {}", group.name, group.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let groups = chosen(&args.groups)?;
    let settings = settings(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&groups, &settings));
    match args.output {
        Output::Table => print!("{}", report.table()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(names: &[String]) -> Result<Vec<Group>> {
    let known = || GROUPS.map(|group| group.name).join(", ");
    for name in names {
        ensure!(
            GROUPS.iter().any(|group| group.name == name),
            "there is no group {name:?}: choose among {}",
            known()
        );
    }
    let wanted = |group: &Group| names.is_empty() || names.iter().any(|name| name == group.name);
    Ok(GROUPS.into_iter().filter(wanted).collect())
}

fn settings(args: &Args) -> Result<Settings> {
    let micro = match &args.micro {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("micro"),
    };
    ensure!(
        micro.exists(),
        "{} is not there: build micro first, the same way",
        micro.display()
    );
    let (rounds, seconds) = if args.quick { (1, 0.2) } else { (7, 2.0) };
    Ok(Settings {
        rounds: args.rounds.unwrap_or(rounds).max(1),
        length: Duration::from_secs_f64(args.seconds.unwrap_or(seconds)),
        quick: args.quick,
        micro,
        envoy: args.envoy.clone().filter(|path| path.exists()),
        dir: args.dir.clone(),
    })
}

async fn measure(groups: &[Group], settings: &Settings) -> Report {
    let machine = Machine::look();
    let mut rows = Vec::new();
    for group in groups {
        eprintln!("{}: {}", group.name, group.about);
        rows.extend(group.run(settings).await);
    }
    Report {
        machine,
        rounds: settings.rounds,
        seconds: settings.length.as_secs_f64(),
        rows,
    }
}
