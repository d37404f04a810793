//! PostgreSQL's own load generator, against the same server.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use micro_postgres::Urls;
use secrecy::ExposeSecret;
use tokio::process::Command;

use crate::harness::{Cpu, Sample};

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
    pub async fn reads(&self, cpu: &Cpu, clients: usize, length: Duration) -> Result<Sample> {
        self.load(cpu, clients, length, &["-S"]).await
    }

    /// Runs a script of one's own.
    pub async fn script(&self, cpu: &Cpu, clients: usize, length: Duration, script: &str) -> Result<Sample> {
        let file = tempfile::NamedTempFile::new()?;
        tokio::fs::write(file.path(), script).await?;
        let path = file.path().to_str().context("a plain path")?;
        self.load(cpu, clients, length, &["-f", path]).await
    }

    async fn load(&self, cpu: &Cpu, clients: usize, length: Duration, what: &[&str]) -> Result<Sample> {
        let (clients, seconds) = (clients.to_string(), whole_seconds(length).to_string());
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
        let operations = figure(&said, "transactions actually processed: ").filter(|count| *count > 0.0);
        let per_second = figure(&said, "tps = ").filter(|_| operations.is_some());
        ensure!(per_second.is_some(), "it did nothing in its time: {said}");
        Ok(Sample {
            per_second,
            cpu_micros: cpu.micros_each(operations.unwrap_or(0.0) as u64)?,
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

/// It counts in whole seconds, from before it has connected.
fn whole_seconds(length: Duration) -> u64 {
    (length.as_secs_f64().ceil() as u64).max(2)
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
        let said = "number of transactions actually processed: 31234\nlatency average = 0.064 ms\n\
                    tps = 15623.812 (without initial connection time)\n";
        assert_eq!(figure(said, "tps = "), Some(15_623.812));
        assert_eq!(figure(said, "transactions actually processed: "), Some(31_234.0));
        assert_eq!(figure(said, "latency stddev = "), None);
    }
}
