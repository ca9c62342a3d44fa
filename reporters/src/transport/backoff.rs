//! Pauses between attempts to connect: doubled up to a ceiling, with jitter so that nodes do not come back in step.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Backoff {
    next: Option<Duration>,
}

impl Backoff {
    /// Something failed.
    pub fn grow(&mut self) {
        self.next = Some(self.next.map_or(FIRST, |pause| (pause * 2).min(MOST)));
    }

    /// Something was acknowledged.
    pub fn reset(&mut self) {
        self.next = None;
    }

    /// How long to wait now: half of the pause to all of it.
    pub fn pause(&self) -> Duration {
        let pause = self.next.unwrap_or_default();
        pause / 2 + (pause / 2).mul_f64(random() as f64 / u64::MAX as f64)
    }
}

/// A number that differs from call to call: the standard library seeds every hasher state anew.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_ceiling_and_start_again() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(), Duration::ZERO);
        let mut expected = FIRST;
        for _ in 0..12 {
            backoff.grow();
            let pause = backoff.pause();
            assert!(pause >= expected / 2 && pause <= expected, "{pause:?} of {expected:?}");
            expected = (expected * 2).min(MOST);
        }
        backoff.reset();
        assert_eq!(backoff.pause(), Duration::ZERO);
    }

    #[test]
    fn pauses_differ() {
        let mut backoff = Backoff::default();
        (0..9).for_each(|_| backoff.grow());
        let first = backoff.pause();
        assert!((0..20).any(|_| backoff.pause() != first));
    }
}
