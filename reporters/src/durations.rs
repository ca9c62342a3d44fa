//! Counts of durations in fixed buckets.

/// Upper ends of the buckets, in nanoseconds: those that the semantic conventions advise for HTTP, in seconds 0.005 … 10.
pub const BOUNDS_NS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// How many durations fell where. A bucket's upper end belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// One more than there are bounds: the last has no upper end.
    pub buckets: [u64; BOUNDS_NS.len() + 1],
    pub count: u64,
    pub sum_ns: u64,
}

impl Durations {
    pub fn add(&mut self, duration_ns: u64) {
        let index = BOUNDS_NS.partition_point(|bound| *bound < duration_ns);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(duration_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut durations = Durations::default();
        [0, 5_000_000, 5_000_001, 10_000_000_000, 10_000_000_001].into_iter().for_each(|ns| durations.add(ns));
        assert_eq!((durations.buckets[0], durations.buckets[1]), (2, 1));
        assert_eq!((durations.buckets[13], durations.buckets[14], durations.count), (1, 1, 5));
    }
}
