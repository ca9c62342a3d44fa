//! Files that are cut off, or whose bytes are wrong: no panic, and no long search.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rover_sites::inspect;

/// A file that is there: small ones, so that there can be many.
fn samples() -> Vec<Vec<u8>> {
    let names = ["libssl.so.3", "libgnutls.so.30"];
    let paths = names.iter().map(|name| Path::new("/usr/lib/x86_64-linux-gnu").join(name));
    let samples: Vec<Vec<u8>> = paths.filter_map(|path| std::fs::read(path).ok()).collect();
    if samples.is_empty() {
        eprintln!("skipped: no TLS library on this machine");
    }
    samples
}

struct Trial(PathBuf);

impl Trial {
    fn new(name: &str) -> Trial {
        Trial(std::env::temp_dir().join(format!("rover-sites-{name}-{}", std::process::id())))
    }

    /// Whatever the answer is, it comes soon.
    fn inspect(&self, bytes: &[u8], what: &str) {
        std::fs::write(&self.0, bytes).unwrap();
        let begin = Instant::now();
        let _ = inspect(&self.0);
        assert!(begin.elapsed() < Duration::from_secs(10), "{what} took {:?}", begin.elapsed());
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Knuth's MMIX generator: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn a_file_that_is_cut_off() {
    let trial = Trial::new("cut");
    for sample in samples() {
        for part in 0..60 {
            let len = sample.len() * part / 60;
            trial.inspect(&sample[..len], &format!("the first {len} bytes"));
        }
        for len in 0..80 {
            trial.inspect(&sample[..len], &format!("the first {len} bytes"));
        }
    }
}

/// Flips in the headers, in the section headers at the end, and anywhere.
#[test]
fn a_file_with_wrong_bits() {
    let trial = Trial::new("bits");
    for sample in samples() {
        let headers = 0..1024.min(sample.len());
        let tables = 0..200_000.min(sample.len());
        let ends = sample.len().saturating_sub(4096)..sample.len();
        let all = 0..sample.len();
        for (round, range) in [headers, tables, ends, all].into_iter().cycle().take(160).enumerate() {
            let mut random = Random(round as u64 + 1);
            let mut bytes = sample.clone();
            for _ in 0..=random.below(64) {
                let at = range.start + random.below(range.len());
                bytes[at] ^= 1 << random.below(8);
            }
            trial.inspect(&bytes, &format!("round {round}"));
        }
    }
}

/// Words of the headers and tables at their extremes.
#[test]
fn a_file_with_extreme_numbers() {
    let trial = Trial::new("extremes");
    for sample in samples() {
        for round in 0..160 {
            let mut random = Random(round + 1000);
            let mut bytes = sample.clone();
            for _ in 0..4 {
                let limit = if round % 2 == 0 { 1024 } else { 200_000 };
                let at = random.below(limit.min(bytes.len() - 8)) & !7;
                let value = [0, u64::MAX, 1 << 63, u64::MAX - 7, 1 << 40][random.below(5)];
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            let end = bytes.len();
            let at = end - 8 * (1 + random.below(200));
            bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            trial.inspect(&bytes, &format!("round {round}"));
        }
    }
}
