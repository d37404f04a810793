//! Rows, their budgets, and whether those were met.

use anyhow::Error;
use serde::Serialize;

use super::{Figure, Machine, Rounds, table};

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Ours, in the row's unit.
    AtMost(f64),
    /// Ours, in the row's unit.
    AtLeast(f64),
    /// Ours is at least so many times as good as the peer's: more, where more is better, less where less is.
    TimesPeer(f64),
    /// Ours less the peer's, in the row's unit.
    Adds(f64),
}

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within its budget.
    Met,
    /// Not.
    Missed,
    /// Nothing is asked of it.
    Information,
    /// Its budget speaks of a peer that is not on this machine.
    PeerAbsent,
    /// It could not be measured.
    Failed,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    group: &'static str,
    what: String,
    unit: &'static str,
    ours: Option<f64>,
    peer_name: Option<String>,
    peer: Option<f64>,
    /// How many times as good ours is.
    ratio: Option<f64>,
    /// Ours less the peer's.
    added: Option<f64>,
    budget: Option<Budget>,
    verdict: Verdict,
    note: Option<String>,
}

impl Row {
    /// A figure of ours.
    pub fn new(group: &'static str, what: impl Into<String>, figure: Figure, ours: &Rounds) -> Self {
        Self {
            ours: ours.median(figure),
            ..Self::empty(group, what.into(), figure.unit())
        }
        .judged()
    }

    /// A figure of ours beside a peer's, which did the same work in the same rounds.
    pub fn beside(
        group: &'static str,
        what: impl Into<String>,
        figure: Figure,
        ours: &Rounds,
        peer: Option<&Rounds>,
        peer_name: &str,
    ) -> Self {
        let times = |ours: f64, theirs: f64| {
            if figure.more_is_better() {
                ours / theirs
            } else {
                theirs / ours
            }
        };
        Self {
            ours: ours.median(figure),
            peer_name: Some(peer_name.to_owned()),
            peer: peer.and_then(|peer| peer.median(figure)),
            ratio: peer.and_then(|peer| ours.median_with(peer, figure, times)),
            added: peer.and_then(|peer| ours.median_with(peer, figure, |ours, theirs| ours - theirs)),
            ..Self::empty(group, what.into(), figure.unit())
        }
        .judged()
    }

    /// What could not be measured, and why.
    pub fn failed(group: &'static str, what: impl Into<String>, error: &Error) -> Self {
        Self {
            verdict: Verdict::Failed,
            note: Some(format!("{error:#}")),
            ..Self::empty(group, what.into(), "")
        }
    }

    fn empty(group: &'static str, what: String, unit: &'static str) -> Self {
        Self {
            group,
            what,
            unit,
            ours: None,
            peer_name: None,
            peer: None,
            ratio: None,
            added: None,
            budget: None,
            verdict: Verdict::Information,
            note: None,
        }
    }

    /// The same row, held to a budget.
    #[must_use]
    pub fn within(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self.judged()
    }

    /// The same row, with something to know about it.
    #[must_use]
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// How it came out.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn judged(mut self) -> Self {
        let met = match self.budget {
            None => {
                self.verdict = match (&self.peer_name, self.peer) {
                    (Some(_), None) => Verdict::PeerAbsent,
                    _ => Verdict::Information,
                };
                return self;
            }
            Some(Budget::AtMost(most)) => self.ours.map(|ours| ours <= most),
            Some(Budget::AtLeast(least)) => self.ours.map(|ours| ours >= least),
            Some(Budget::TimesPeer(times)) => self.ratio.map(|ratio| ratio >= times),
            Some(Budget::Adds(most)) => self.added.map(|added| added <= most),
        };
        self.verdict = match met {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None if self.ours.is_some() => Verdict::PeerAbsent,
            None => Verdict::Failed,
        };
        self
    }

    pub(super) fn cells(&self) -> [String; 8] {
        let number = |value: Option<f64>| value.map(table::number).unwrap_or_default();
        let unit = |text: String| match text.as_str() {
            "" => text,
            _ => format!("{text} {}", self.unit).trim_end().to_owned(),
        };
        let peer = match (self.peer, &self.peer_name) {
            (Some(value), Some(_)) => table::number(value),
            (None, Some(_)) => "absent".into(),
            _ => String::new(),
        };
        let compared = match (self.budget, self.ratio, self.added) {
            (Some(Budget::Adds(_)), _, Some(added)) => format!("{:+.1}", added),
            (_, Some(ratio), _) => format!("{ratio:.2}×"),
            _ => String::new(),
        };
        let budget = match self.budget {
            Some(Budget::AtMost(most)) => format!("≤ {}", table::number(most)),
            Some(Budget::AtLeast(least)) => format!("≥ {}", table::number(least)),
            Some(Budget::TimesPeer(times)) => format!("≥ {times}×"),
            Some(Budget::Adds(most)) => format!("adds ≤ {}", table::number(most)),
            None => String::new(),
        };
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Information => "",
            Verdict::PeerAbsent => "peer absent",
            Verdict::Failed => "FAILED",
        };
        [
            self.group.to_owned(),
            self.what.clone(),
            unit(number(self.ours)),
            self.peer_name.clone().unwrap_or_default(),
            peer,
            compared,
            budget,
            verdict.to_owned(),
        ]
    }
}

/// All rows, and on what they were measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// Rounds of each contender.
    pub rounds: usize,
    /// Seconds of each round.
    pub seconds: f64,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let head = ["group", "what", "ours", "peer", "peer's", "compared", "budget", ""].map(str::to_owned);
        let cells: Vec<[String; 8]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let mut text = table::aligned(&cells);
        for row in &self.rows {
            if let Some(note) = &row.note {
                text.push_str(&format!("  {} / {}: {note}\n", row.group, row.what));
            }
        }
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let machine = &self.machine;
        text.push_str(&format!(
            "\n{} met, {} missed, {} failed, {} without their peer. Medians of {} rounds of {} s.\n\
             {} × {}, {} GB, Linux {}, load {} at the start{}.\n",
            count(Verdict::Met),
            count(Verdict::Missed),
            count(Verdict::Failed),
            count(Verdict::PeerAbsent),
            self.rounds,
            self.seconds,
            machine.cores,
            machine.processor,
            machine.memory_gigabytes,
            machine.kernel,
            machine.load,
            if machine.optimised {
                ""
            } else {
                "; NOT OPTIMISED: the figures mean nothing"
            },
        ));
        text
    }

    /// Whether every budget was met, as far as it could be judged.
    pub fn passed(&self) -> bool {
        let bad = |row: &Row| matches!(row.verdict, Verdict::Missed | Verdict::Failed);
        !self.rows.iter().any(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Sample;

    fn rounds(per_second: f64, cpu_micros: f64) -> Rounds {
        let sample = Sample {
            per_second: Some(per_second),
            cpu_micros: Some(cpu_micros),
            ..Sample::default()
        };
        Rounds::of("x", vec![sample; 3])
    }

    #[test]
    fn a_budget_is_met_or_missed_at_its_edge() {
        let (ours, peer) = (rounds(55.0, 10.0), rounds(100.0, 25.0));
        let row = |figure| Row::beside("store", "read", figure, &ours, Some(&peer), "pgbench");
        let verdict = |figure, budget| row(figure).within(budget).verdict();
        assert_eq!(verdict(Figure::PerSecond, Budget::TimesPeer(0.55)), Verdict::Met);
        assert_eq!(verdict(Figure::PerSecond, Budget::TimesPeer(0.56)), Verdict::Missed);
        // Less CPU is better: ours is 2.5 times as good.
        assert_eq!(verdict(Figure::CpuMicros, Budget::TimesPeer(2.5)), Verdict::Met);
        assert_eq!(verdict(Figure::CpuMicros, Budget::TimesPeer(2.6)), Verdict::Missed);
        assert_eq!(verdict(Figure::CpuMicros, Budget::AtMost(10.0)), Verdict::Met);
        assert_eq!(verdict(Figure::PerSecond, Budget::AtLeast(56.0)), Verdict::Missed);
        assert_eq!(verdict(Figure::CpuMicros, Budget::Adds(-15.0)), Verdict::Met);
        assert_eq!(verdict(Figure::CpuMicros, Budget::Adds(-16.0)), Verdict::Missed);
    }

    #[test]
    fn an_absent_peer_is_named_and_never_a_pass() {
        let row = Row::beside("door", "gRPC", Figure::CpuMicros, &rounds(1.0, 10.0), None, "Envoy");
        assert_eq!(row.verdict(), Verdict::PeerAbsent);
        let row = row.within(Budget::TimesPeer(2.5));
        assert_eq!(row.verdict(), Verdict::PeerAbsent);
        assert!(row.cells().contains(&"absent".to_owned()) && row.cells().contains(&"Envoy".to_owned()));
        // What needs no peer is judged without one.
        assert_eq!(row.within(Budget::AtMost(10.0)).verdict(), Verdict::Met);
    }

    #[test]
    fn what_failed_says_why() {
        let report = Report {
            machine: Machine::look(),
            rounds: 7,
            seconds: 2.0,
            rows: vec![Row::failed("store", "read", &anyhow::anyhow!("no PostgreSQL"))],
        };
        assert!(!report.passed());
        assert!(report.table().contains("store / read: no PostgreSQL"));
    }
}
