//! Power cuts: the server is killed at any moment, and the next start recovers by itself.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use micro_e2e::{
    moments::Moments,
    platform::{Options, Platform, eventually},
    signup::{Customer, GOOD_CARD, sign_up},
    walk::root,
};

/// How often the server is killed under load.
const KILLS: u32 = 50;

fn customer(platform: &mut Platform, email: &str) -> Result<Customer> {
    let home = platform.home()?;
    sign_up(platform, home, email, &[GOOD_CARD])
}

/// Writes accounts one after the other through the command line's own door until told to stop; remembers each
/// that was acknowledged.
#[test]
fn every_acknowledged_write_survives_fifty_kills() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    let seed = 0x5eed_2026_1121_u64;
    let mut moments = Moments::of(seed);
    let acknowledged = Arc::new(Mutex::new(vec![]));
    let mut number = 0;
    for kill in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let begun = acknowledged.lock().expect("unpoisoned").len();
        thread::scope(|scope| -> Result<()> {
            let writer = {
                let (stop, acknowledged, ada, number) = (stop.clone(), acknowledged.clone(), &ada, &mut number);
                scope.spawn(move || -> Result<()> {
                    while !stop.load(Ordering::Relaxed) {
                        *number += 1;
                        let id = format!("survivor-{number}");
                        let request = format!(r#"{{"id":"{id}"}}"#);
                        if ada.home.run(&["call", "auth", "Auth.Generate", &request])?.exit == 0 {
                            acknowledged.lock().expect("unpoisoned").push(id);
                        }
                    }
                    Ok(())
                })
            };
            // Killed between two acknowledgements of its choosing, never before the first.
            let after = begun + 1 + moments.next(3) as usize;
            eventually("writes are acknowledged", Duration::from_secs(60), || {
                Ok((acknowledged.lock().expect("unpoisoned").len() >= after).then_some(()))
            })?;
            platform.kill()?;
            stop.store(true, Ordering::Relaxed);
            writer.join().expect("the writer does not panic")
        })?;
        platform.boot()?;
        eprintln!("kill {}: serving again after {:?}", kill + 1, platform.started_in);
    }
    ada.home
        .run(&["env", "add", "home", &platform.at.proxy.to_string()])?
        .ok()?;
    let listed = ada.home.run(&["call", "auth", "Accounts.List", "{}"])?.ok()?.stdout;
    let lost: Vec<_> = acknowledged
        .lock()
        .expect("unpoisoned")
        .iter()
        .filter(|id| !listed.contains(&format!("\"{id}\"")))
        .cloned()
        .collect();
    ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    Ok(())
}

#[test]
fn running_services_are_adopted_and_nothing_is_orphaned() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    ada.home
        .run(&["run", &root().join("examples/greeter").display().to_string()])?
        .ok()?;
    let before = instances(&platform)?;
    ensure!(before.len() == 1, "{before:?}");

    platform.kill()?;
    ensure!(instances(&platform)? == before, "the instance outlives the server");
    platform.boot()?;
    ada.home
        .run(&["env", "add", "home", &platform.at.proxy.to_string()])?
        .ok()?;
    let answer = eventually("the adopted greeter answers", Duration::from_secs(45), || {
        let call = ada
            .home
            .run(&["call", "greeter", "Greeter.Hello", r#"{"name":"Ada"}"#])?;
        Ok((call.exit == 0).then_some(call.stdout))
    })?;
    ensure!(answer.contains("Hello Ada"), "{answer}");
    ensure!(instances(&platform)? == before, "adopted, not started again");

    let (took, status) = platform.interrupt()?;
    ensure!(
        status.code() == Some(0) && took < Duration::from_secs(5),
        "{status} after {took:?}"
    );
    ensure!(instances(&platform)?.is_empty(), "orphans: {:?}", instances(&platform)?);
    Ok(())
}

/// Keepers of this platform's instances, by pid. A keeper's command line ends with its instance's id, with which
/// the name of a folder in the data directory ends too.
pub fn instances(platform: &Platform) -> Result<Vec<u32>> {
    let mut folders = HashSet::new();
    collect_folders(&platform.data_dir().join("runtime"), &mut folders)?;
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
        if words.iter().any(|w| w == "sandbox-init")
            && words
                .iter()
                .any(|w| w.len() == 36 && folders.iter().any(|f| f.ends_with(w.as_ref())))
        {
            found.push(pid);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn collect_folders(under: &Path, into: &mut HashSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(under).into_iter().flatten().flatten() {
        if entry.file_type()?.is_dir() {
            into.insert(entry.file_name().to_string_lossy().into_owned());
            collect_folders(&entry.path(), into)?;
        }
    }
    Ok(())
}
