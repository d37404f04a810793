//! Contenders take turns, so that what else the machine does meets them alike.

use std::{future::Future, pin::Pin, time::Duration};

use anyhow::{Context, Result};

use super::{Figure, Sample, Settings, median};

type Round = Pin<Box<dyn Future<Output = Result<Sample>>>>;

/// Somebody who does the work: we, or a peer.
pub struct Contender {
    name: &'static str,
    round: Box<dyn FnMut(Duration) -> Round>,
}

impl Contender {
    /// One that does a round of about that length whenever it is asked.
    pub fn new<F, R>(name: &'static str, mut round: F) -> Self
    where
        F: FnMut(Duration) -> R + 'static,
        R: Future<Output = Result<Sample>> + 'static,
    {
        Self {
            name,
            round: Box::new(move |length| Box::pin(round(length))),
        }
    }
}

/// Every round of one contender, in order.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// Who it was.
    pub name: &'static str,
    samples: Vec<Sample>,
}

impl Rounds {
    /// Rounds that were done elsewhere.
    pub fn of(name: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, samples }
    }

    /// The median of one figure.
    pub fn median(&self, figure: Figure) -> Option<f64> {
        median(self.samples.iter().filter_map(|sample| figure.of(sample)))
    }

    /// The median of what `compare` makes of our figure and theirs, round by round.
    pub fn median_with(&self, peer: &Self, figure: Figure, compare: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let pairs = self.samples.iter().zip(&peer.samples);
        median(pairs.filter_map(|(ours, theirs)| Some(compare(figure.of(ours)?, figure.of(theirs)?))))
    }
}

/// Lets the contenders take turns: a short round first that does not count, then as many as the settings say. Who
/// begins changes with each round.
pub async fn contest(settings: &Settings, mut contenders: Vec<Contender>) -> Result<Vec<Rounds>> {
    let mut all: Vec<Rounds> = contenders.iter().map(|c| Rounds::of(c.name, Vec::new())).collect();
    for contender in &mut contenders {
        let warm_up = (contender.round)(settings.length / 4).await;
        warm_up.with_context(|| contender.name)?;
    }
    for round in 0..settings.rounds {
        for turn in 0..contenders.len() {
            let who = (turn + round) % contenders.len();
            let contender = &mut contenders[who];
            let sample = (contender.round)(settings.length).await;
            all[who].samples.push(sample.with_context(|| contender.name)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    fn settings(rounds: usize) -> Settings {
        Settings {
            rounds,
            length: Duration::ZERO,
            quick: true,
            micro: "micro".into(),
            envoy: None,
            dir: ".".into(),
        }
    }

    #[tokio::test]
    async fn contenders_take_turns_and_the_warm_up_does_not_count() {
        let order = Rc::new(RefCell::new(String::new()));
        let contender = |name: &'static str| {
            let order = order.clone();
            Contender::new(name, move |_| {
                order.borrow_mut().push_str(name);
                let per_second = Some(order.borrow().len() as f64);
                async move {
                    Ok(Sample {
                        per_second,
                        ..Sample::default()
                    })
                }
            })
        };
        let all = contest(&settings(3), vec![contender("a"), contender("b")]).await;
        let all = all.expect("nobody failed");
        assert_eq!(*order.borrow(), "ababbaab");
        assert_eq!(all[0].median(Figure::PerSecond), Some(6.0));
        assert_eq!(all[1].median(Figure::PerSecond), Some(5.0));
    }

    #[tokio::test]
    async fn a_contender_that_fails_is_named() {
        let failing = Contender::new("pgbench", |_| async { anyhow::bail!("gone") });
        let failed = contest(&settings(1), vec![failing]).await.expect_err("it fails");
        assert_eq!(format!("{failed:#}"), "pgbench: gone");
    }

    #[test]
    fn a_ratio_is_of_the_same_round() {
        let rounds = |values: [f64; 3]| {
            let sample = |value| Sample {
                per_second: Some(value),
                ..Sample::default()
            };
            Rounds::of("x", values.map(sample).to_vec())
        };
        // The machine was slow in the second round, for both.
        let (ours, theirs) = (rounds([100.0, 10.0, 90.0]), rounds([50.0, 5.0, 45.0]));
        let ratio = ours.median_with(&theirs, Figure::PerSecond, |a, b| a / b);
        assert_eq!(ratio, Some(2.0));
    }
}
