//! A paying customer who means harm: nothing of what its service tries may work.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use micro_e2e::{
    platform::{Options, Platform},
    signup::{GOOD_CARD, sign_up},
    walk::root,
};
use serde_json::{Value, json};

/// Every folder and socket under the data directory, two levels deep: what an attacker would love to know.
fn treasures(data: &Path) -> Result<(Vec<String>, Vec<String>)> {
    use std::os::unix::fs::FileTypeExt;
    let (mut paths, mut sockets) = (vec![data.display().to_string()], vec![]);
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        paths.push(entry.path().display().to_string());
        for inner in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let path = inner.path().display().to_string();
            match inner.file_type()?.is_socket() {
                true => sockets.push(path),
                false => paths.push(path),
            }
        }
    }
    Ok((paths, sockets))
}

#[test]
fn a_hostile_service_gets_nothing() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let home = platform.home()?;
    let ada = sign_up(&mut platform, home, "ada@example.com", &[GOOD_CARD])?;
    ada.home
        .run(&["run", &root().join("examples/greeter").display().to_string()])?
        .ok()?;
    let home = platform.home()?;
    let eve = sign_up(&mut platform, home, "eve@example.com", &[GOOD_CARD])?;
    eve.home
        .run(&["run", &root().join("examples/hostile").display().to_string()])?
        .ok()?;

    let (mut paths, sockets) = treasures(&platform.data_dir())?;
    ensure!(
        paths.iter().any(|p| p.contains("keys")),
        "the keys are among the targets: {paths:?}"
    );
    paths.extend(["/root", "/home", "/var/lib", "/sys/fs/cgroup"].map(String::from));
    let stripe: Vec<_> = platform.stripe().trim_start_matches("http://").split(',').collect();
    let mut addresses = vec![
        platform.at.api.to_string(),
        platform.at.proxy.to_string(),
        stripe[0].to_owned(),
    ];
    addresses.extend(platform.at.web.map(|a| a.to_string()));
    addresses.extend(platform.at.admin.map(|a| a.to_string()));
    let targets = json!({
        "paths": paths,
        "sockets": sockets,
        "addresses": addresses,
        "namespace": ada.namespace,
        "service": "greeter",
    });
    let report = eve
        .home
        .run(&["call", "hostile", "Hostile.Attack", &targets.to_string()])?
        .ok()?
        .stdout;
    let report: Value = serde_json::from_str(&report)?;

    let attempts = report["attempts"].as_object().context("attempts")?;
    ensure!(attempts.len() > 40, "only {} attempts", attempts.len());
    let holes: Vec<_> = attempts
        .iter()
        .filter(|(_, how)| *how == "done")
        .map(|(what, _)| what)
        .collect();
    ensure!(holes.is_empty(), "holes: {holes:#?}");
    let names: Vec<_> = report["environment"]
        .as_array()
        .context("names")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let told = ["MICRO_", "PATH", "HOME", "TMPDIR", "LANG"];
    let leaked: Vec<_> = names
        .iter()
        .filter(|n| !told.iter().any(|t| n.starts_with(t)))
        .collect();
    ensure!(leaked.is_empty(), "environment: {leaked:?}");
    let processes = report["processes"].as_array().context("processes")?;
    ensure!(processes.len() <= 2, "it sees {processes:?}");
    let greeting = ada.home.run(&["greeter", "hello", "--name", "Ada"])?.ok()?.stdout;
    ensure!(greeting.contains("Hello Ada"), "{greeting}");
    Ok(())
}
