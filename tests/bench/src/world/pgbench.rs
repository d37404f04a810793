//! PostgreSQL's own load generator, against the same server.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use micro_postgres::Urls;
use secrecy::ExposeSecret;
use tokio::process::Command;

use crate::harness::Sample;

/// pgbench as the owner of tables of its own.
#[derive(Clone)]
pub struct Pgbench {
    program: PathBuf,
    url: String,
    /// 100,000 rows each.
    scale: usize,
}

impl Pgbench {
    /// Makes its tables; none where it is not installed.
    pub async fn prepare(urls: &Urls, scale: usize) -> Result<Option<Self>> {
        let Some(program) = find() else { return Ok(None) };
        let pgbench = Self {
            program,
            url: urls.owner.expose_secret().to_owned(),
            scale,
        };
        pgbench.run(&["-i", "-q", "-s", &scale.to_string()]).await?;
        Ok(Some(pgbench))
    }

    /// Point reads by primary key, prepared: `pgbench -S -M prepared`.
    pub async fn reads(&self, clients: usize, length: Duration) -> Result<Sample> {
        self.load(clients, length, &["-S"]).await
    }

    /// Runs a script of one's own.
    pub async fn script(&self, clients: usize, length: Duration, script: &str) -> Result<Sample> {
        let file = tempfile::NamedTempFile::new()?;
        tokio::fs::write(file.path(), script).await?;
        let path = file.path().to_str().context("a plain path")?;
        self.load(clients, length, &["-f", path]).await
    }

    async fn load(&self, clients: usize, length: Duration, what: &[&str]) -> Result<Sample> {
        let (clients, seconds) = (clients.to_string(), length.as_secs().max(1).to_string());
        let scale = self.scale.to_string();
        let mut words = vec![
            "-n", "-M", "prepared", "-j", "1", "-s", &scale, "-c", &clients, "-T", &seconds,
        ];
        words.extend(what);
        let said = self.run(&words).await?;
        let failed = said
            .lines()
            .find(|line| line.starts_with("number of failed transactions"));
        ensure!(failed.is_none_or(|line| line.contains(": 0 ")), "{said}");
        let per_second = figure(&said, "tps = ").with_context(|| said.clone())?;
        Ok(Sample {
            per_second: Some(per_second),
            ..Sample::default()
        })
    }

    async fn run(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(words)
            .arg(&self.url)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "pgbench: {talk}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Debian's wrapper needs a cluster of Debian's; the program itself lies with the server's.
fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin/pgbench"));
    let newest = installed.filter(|path| path.exists()).max();
    newest.or_else(|| Some(PathBuf::from("/usr/bin/pgbench")).filter(|path| path.exists()))
}

fn figure(text: &str, before: &str) -> Option<f64> {
    let (_, after) = text.split_once(before)?;
    after.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read() {
        let said = "latency average = 0.064 ms\ntps = 15623.812 (without initial connection time)\n";
        assert_eq!(figure(said, "tps = "), Some(15_623.812));
    }
}
