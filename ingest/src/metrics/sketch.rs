//! Durations as counts of logarithmic buckets: they merge by addition and give any percentile.
//!
//! The mapping is DDSketch's (Masson, Rim, Lee: "DDSketch", VLDB 2019): bucket i holds the values in [γ^i, γ^(i+1)), so the
//! value told for it is off by 1 % at most. `rover/backend/store/histogram.py` has the same and reads what is written
//! here. No crate: the dense stores of those that are kept take some KiB for each of thousands of entities,
//! and none gives its buckets out for a form that adds up without being unpacked.

use rover_reporters::varint::{push_varint, take_varint};

const RELATIVE_ERROR: f64 = 0.01;

/// Counts by bucket, ascending. Durations up to 2^64 ns have 2218 buckets, which is the ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(Vec<(u16, u64)>);

impl Sketch {
    /// Below 1 ns counts as 1 ns. The bucket that it went to.
    pub fn add(&mut self, duration_ns: u64) -> u16 {
        let bucket = bucket(duration_ns);
        self.add_to(bucket, 1);
        bucket
    }

    /// The bucket of the smallest value that so many per cent are not above.
    pub fn percentile(&self, percent: u64) -> Option<u16> {
        let all: u64 = self.0.iter().map(|(_, count)| *count).sum();
        let rank = all.saturating_mul(percent).div_ceil(100);
        let mut below = 0;
        let found = self.0.iter().find(|(_, count)| {
            below += count;
            below >= rank
        });
        found.map(|(bucket, _)| *bucket)
    }

    /// The bucket of the smallest value that such a share of all (0.5, 0.99, …) is not above, as
    /// `rover/backend/store/histogram.py` has it.
    pub fn at_share(&self, share: f64) -> Option<u16> {
        let all: u64 = self.0.iter().map(|(_, count)| *count).sum();
        // A cast of a float saturates.
        let rank = ((share * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut below = 0_u64;
        let found = self.0.iter().find(|(_, count)| {
            below = below.saturating_add(*count);
            below >= rank
        });
        found.map(|(bucket, _)| *bucket)
    }

    /// What is told for the values of [`Sketch::at_share`]'s bucket, in ns.
    pub fn value_at_share(&self, share: f64) -> Option<u64> {
        self.at_share(share).map(value_ns)
    }

    /// Lets everything count half; what there was one of goes.
    pub fn halve(&mut self) {
        self.0.iter_mut().for_each(|(_, count)| *count /= 2);
        self.0.retain(|(_, count)| *count > 0);
    }

    fn add_to(&mut self, bucket: u16, count: u64) {
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, sum)) = self.0.get_mut(at) {
                    *sum = sum.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    pub fn merge(&mut self, other: &Sketch) {
        other.0.iter().for_each(|(bucket, count)| self.add_to(*bucket, *count));
    }

    pub fn buckets(&self) -> &[(u16, u64)] {
        &self.0
    }

    /// Appends how far each bucket is from the one before, and its count.
    pub fn encode(&self, out: &mut Vec<u8>) {
        push_varint(out, self.0.len() as u64);
        let mut before = 0;
        for (bucket, count) in &self.0 {
            push_varint(out, u64::from(bucket - before));
            push_varint(out, *count);
            before = *bucket;
        }
    }

    /// `None`: not all of it is a sketch.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes;
        let (mut bucket, mut at) = (0_u16, 0);
        for _ in 0..take_varint(&mut rest)? {
            bucket = bucket.checked_add(u16::try_from(take_varint(&mut rest)?).ok()?)?;
            let count = take_varint(&mut rest)?;
            // Both ascend: looked for from where the one before was found.
            while self.0.get(at).is_some_and(|(known, _)| *known < bucket) {
                at += 1;
            }
            match self.0.get_mut(at) {
                Some((known, sum)) if *known == bucket => *sum = sum.saturating_add(count),
                _ => self.0.insert(at, (bucket, count)),
            }
        }
        rest.is_empty().then_some(())
    }
}

const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

fn bucket(duration_ns: u64) -> u16 {
    // From 0 to 2217: a cast of a float saturates.
    ((duration_ns.max(1) as f64).ln() / f64::ln(GAMMA)) as u16
}

/// What is told for the values of a bucket: `value_ns` of `rover/backend/store/histogram.py`, to the digit.
pub fn value_ns(bucket: u16) -> u64 {
    (GAMMA.powf(f64::from(bucket)) * 2.0 * GAMMA / (1.0 + GAMMA)).round_ties_even() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_no_wider_than_the_error_allows() {
        for value in [1_u64, 2, 50, 1_000, 123_456, 10_000_000, 3_600_000_000_000, 1 << 62] {
            let gamma = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
            let middle = gamma.powi(i32::from(bucket(value))) * 2.0 * gamma / (1.0 + gamma);
            assert!((middle - value as f64).abs() <= value as f64 * (RELATIVE_ERROR + 1e-9), "{value}: {middle}");
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, 2217));
    }

    #[test]
    fn the_value_of_a_bucket_is_that_of_the_python_side() {
        let told: [(u16, u64); 8] = [
            (0, 1),
            (7, 1),
            (35, 2),
            (500, 22254),
            (1000, 490343654),
            (1500, 10804138713429),
            (2000, 238056335461502368),
            (2183, 9252317656686942208),
        ];
        for (bucket, value) in told {
            assert_eq!(value_ns(bucket), value, "{bucket}");
        }
    }

    #[test]
    fn a_percentile_is_the_bucket_of_its_rank() {
        let mut sketch = Sketch::default();
        (1..=100).for_each(|value| {
            sketch.add(value * 1000);
        });
        assert_eq!((sketch.percentile(50), sketch.percentile(99)), (Some(bucket(50_000)), Some(bucket(99_000))));
        assert_eq!(Sketch::default().percentile(99), None);
        sketch.halve();
        assert!(sketch.buckets().iter().all(|(_, count)| *count > 0));
    }

    #[test]
    fn sketches_merge_and_come_back_from_bytes() {
        let (mut one, mut other) = (Sketch::default(), Sketch::default());
        [5, 900, 900].iter().for_each(|value| {
            one.add(*value);
        });
        [900, 70_000].iter().for_each(|value| {
            other.add(*value);
        });
        let mut bytes = Vec::new();
        other.encode(&mut bytes);
        one.merge_encoded(&bytes).unwrap();
        assert_eq!(one.buckets().iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 3, 1]);
        bytes.push(0);
        assert_eq!(Sketch::default().merge_encoded(&bytes), None);
    }
}
