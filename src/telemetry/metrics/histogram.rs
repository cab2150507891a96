//! How long things took, in steps.

use std::time::Duration;

/// The steps' upper ends, in microseconds: from what our own part of a request takes to what a visitor gives up at.
pub(super) const STEPS: [(u64, &str); 12] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

/// Counts of durations.
#[derive(Debug, Default, Clone)]
pub(super) struct Histogram {
    /// How many fell into each step, not counting those below it.
    steps: [u64; STEPS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let step = STEPS.iter().position(|(end, _)| micros <= *end);
        if let Some(step) = step.and_then(|step| self.steps.get_mut(step)) {
            *step += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    pub(super) fn merge(&mut self, other: &Histogram) {
        self.steps.iter_mut().zip(other.steps).for_each(|(step, more)| *step += more);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Each step's upper end, and how many were no longer than that.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut below = 0;
        STEPS.iter().zip(self.steps).map(move |((_, end), step)| {
            below += step;
            (*end, below)
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_counts_in_its_step_and_in_every_longer_one() {
        let mut histogram = Histogram::default();
        for micros in [0, 500, 501, 30_000_000, 30_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let cumulated: Vec<_> = histogram.cumulated().map(|(_, count)| count).collect();
        assert_eq!(cumulated, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_micros(60_001_002)));
    }

    #[test]
    fn steps_are_named_as_long_as_they_are() {
        for (micros, name) in STEPS {
            assert_eq!(name.parse::<f64>().unwrap(), Duration::from_micros(micros).as_secs_f64());
        }
    }
}
