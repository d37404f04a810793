//! `micro server`: reads the whole configuration, then boots what it asks for and serves until told to stop.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgMatches, value_parser};
use micro_serve::{
    Config, Sources,
    config::{Machine, SETTINGS},
    telemetry,
};

use crate::{
    boot,
    exit::{Exit, Failure, Result},
};

/// Threads for handlers, storage, jobs and sagas; the doors have threads of their own.
const WORKERS: usize = 2;

/// Every setting of the contract as a flag, and `--config FILE`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    config: Option<PathBuf>,
    flags: BTreeMap<String, String>,
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf));
        let command = command
            .arg(file.help("TOML file with the same settings in snake case"))
            .after_help("Examples:\n  micro server\n  micro server --data-dir /srv/micro --proxy-address :9081\n  MICRO_PROFILE=platform MICRO_PAYMENTS=off micro server");
        SETTINGS.iter().fold(command, |command, setting| {
            let help = match setting.secret {
                true => format!("{} (better told as {})", setting.help, setting.env),
                false => format!("{} ({})", setting.help, setting.env),
            };
            command.arg(
                Arg::new(setting.flag())
                    .long(setting.flag())
                    .value_name("VALUE")
                    .help(help),
            )
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let told = |flag: String| matches.get_one::<String>(&flag).cloned().map(|value| (flag, value));
        Ok(Self {
            config: matches.get_one("config").cloned(),
            flags: SETTINGS.iter().filter_map(|s| told(s.flag())).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub fn run(args: Args) -> Result {
    let mut sources = Sources {
        flags: args.flags,
        ..Sources::from_process()
    };
    if let Some(path) = args.config {
        let text = std::fs::read_to_string(&path).map_err(|e| Failure::because(path.display(), e))?;
        sources.file = Some((path, text));
    }
    let log = sources.env.get("MICRO_LOG").cloned();
    let config = Config::read(&sources, &machine(&sources)).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    let files = take_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|e| Failure::because("starting", e))?;
    let served = runtime.block_on(async {
        let _telemetry = telemetry::init(log.as_deref(), &config.environment, config.otlp_endpoint.as_ref())?;
        if let Err(e) = files {
            tracing::warn!(error = %e, "the limit of open files stays as it is");
        }
        boot::serve(config).await
    });
    runtime.shutdown_background();
    served
        .map(|()| Exit::Done)
        .map_err(|e| Failure::new(Exit::Failed, format!("{e:#}")))
}

/// Open files enough for many connections: each is one, and the usual limit is meant for programs that use `select`.
const OPEN_FILES: libc::rlim_t = 1 << 18;

/// Takes that many, or as many as this process may have.
fn take_open_files() -> std::io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is ours and lives through both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max.min(OPEN_FILES).max(limit.rlim_cur);
        match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

fn machine(sources: &Sources) -> Machine {
    Machine {
        home: sources.env.get("HOME").map_or_else(|| "/".into(), PathBuf::from),
        root: is_root(),
    }
}

/// Whether this process is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing, touches nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
