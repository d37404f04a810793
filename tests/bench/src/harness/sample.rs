//! What one contender did in one round, and the statistics over many.

/// One contender's figures of one round; those that were not measured are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Operations a second.
    pub per_second: Option<f64>,
    /// CPU of the process under test for an operation, in microseconds.
    pub cpu_micros: Option<f64>,
    /// Half of the operations took at most so many microseconds.
    pub p50_micros: Option<f64>,
    /// 99 of a hundred did.
    pub p99_micros: Option<f64>,
    /// A size in millions of bytes, or a plain count.
    pub amount: Option<f64>,
}

/// One of a sample's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// See [`Sample::per_second`].
    PerSecond,
    /// See [`Sample::cpu_micros`].
    CpuMicros,
    /// See [`Sample::p50_micros`].
    P50Micros,
    /// See [`Sample::p99_micros`].
    P99Micros,
    /// See [`Sample::amount`].
    Amount(&'static str),
}

impl Figure {
    /// The figure of a sample.
    pub fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::PerSecond => sample.per_second,
            Self::CpuMicros => sample.cpu_micros,
            Self::P50Micros => sample.p50_micros,
            Self::P99Micros => sample.p99_micros,
            Self::Amount(_) => sample.amount,
        }
    }

    /// What it is counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::CpuMicros => "CPU-µs",
            Self::P50Micros => "µs p50",
            Self::P99Micros => "µs p99",
            Self::Amount(unit) => unit,
        }
    }

    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond)
    }
}

/// The middle one; of two in the middle, their mean.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// The smallest value that at least that share (0 to 1) of all values does not exceed. Sorts them.
pub fn percentile(values: &mut [u32], share: f64) -> Option<f64> {
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_one() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 100.0]), Some(3.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let mut hundred: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut hundred, 0.5), Some(50.0));
        assert_eq!(percentile(&mut hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&mut hundred, 1.0), Some(100.0));
        assert_eq!(percentile(&mut [7], 0.5), Some(7.0));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
