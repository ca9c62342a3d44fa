//! Which exchanges are stored once more of them come than configured: failed and slow ones and those of rare endpoints all,
//! of the others one in so many. Metrics are of all.
//!
//! Slow is what is above the 99th percentile of its own endpoint. An endpoint's first calls of each minute are kept, so one
//! that is seldom called is kept whole. Endpoints beyond a number share one state, so that made-up paths are not all rare.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use super::sketch::Sketch;

/// Calls of an endpoint in a minute that are kept whatever they are.
const RARE: u32 = 10;

/// Calls after which an endpoint's 99th percentile is known; it is looked at anew as often.
const KNOWN: u64 = 100;

/// Durations of so many calls make the percentile; older ones count half.
const RECENT: u64 = 10_000;

/// Endpoints with a state of their own, in a minute.
const ENDPOINTS: usize = 10_000;

/// Exchanges that were left out and are remembered, so that one that is sent again does not count twice. A daemon sends
/// again what was not answered, 30 000 at most.
const REMEMBERED: usize = 500_000;

/// What a decision needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub id: u128,
    pub side: &'a str,
    pub service: &'a str,
    pub method: &'a str,
    /// Group of the path.
    pub path: &'a str,
    pub duration_ns: Option<u64>,
    pub has_failed: bool,
}

/// Why an exchange is stored, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Choice {
    LeftOut = 0,
    Failed = 1,
    Slow = 2,
    Rare = 3,
    Ordinary = 4,
    /// It was left out before, and counted.
    Repeated = 5,
}

#[derive(Debug, Default)]
struct Endpoint {
    minute: u64,
    calls_in_minute: u32,
    calls: u64,
    durations: Sketch,
    /// Bucket of the 99th percentile.
    slow_above: Option<u16>,
}

#[derive(Debug)]
pub struct Sampling {
    per_second: f64,
    /// Exchanges that may be stored now: what was saved up, a second's worth at most.
    allowance: f64,
    at_s: f64,
    endpoints: HashMap<u64, Endpoint>,
    left_out: HashSet<u128>,
    in_order: VecDeque<u128>,
}

impl Sampling {
    /// Leaves out what is above so many exchanges a second.
    pub fn new(per_second: f64) -> Sampling {
        Sampling {
            per_second,
            allowance: per_second,
            at_s: 0.0,
            endpoints: HashMap::new(),
            left_out: HashSet::new(),
            in_order: VecDeque::new(),
        }
    }

    /// A choice for each of a batch that arrived at `now_s` of a clock that never goes back.
    pub fn choose<'a>(&mut self, batch: impl Iterator<Item = Seen<'a>>, now_s: f64) -> Vec<Choice> {
        let saved = (now_s - self.at_s).clamp(0.0, 1.0) * self.per_second;
        self.allowance = (self.allowance + saved).min(self.per_second);
        self.at_s = now_s;
        let minute = (now_s / 60.0) as u64;
        let mut choices = Vec::new();
        let mut ids = Vec::new();
        for seen in batch {
            ids.push(seen.id);
            choices.push(if self.left_out.contains(&seen.id) {
                Choice::Repeated
            } else {
                self.classify(&seen, minute)
            });
        }
        let ordinary = choices.iter().filter(|choice| **choice == Choice::Ordinary).count();
        let kept = choices.iter().filter(|choice| !matches!(choice, Choice::Ordinary | Choice::Repeated)).count();
        self.allowance = (self.allowance - kept as f64).max(0.0);
        // At least one in a thousand: a list of nothing but failures would mislead.
        let one_in = ((ordinary as f64 / self.allowance.max(1.0)).ceil() as u64).clamp(1, 1000);
        for (choice, id) in choices.iter_mut().zip(ids) {
            if *choice != Choice::Ordinary {
                continue;
            }
            // By id: one that comes twice in a batch has one fate.
            if hash(&id).is_multiple_of(one_in) {
                self.allowance = (self.allowance - 1.0).max(0.0);
            } else {
                *choice = if self.left_out.contains(&id) { Choice::Repeated } else { Choice::LeftOut };
                self.remember(id);
            }
        }
        self.forget_old(minute);
        choices
    }

    /// Marks an exchange as left out, also one of a run before.
    pub fn remember(&mut self, id: u128) {
        if self.left_out.insert(id) {
            self.in_order.push_back(id);
        }
        while self.in_order.len() > REMEMBERED {
            if let Some(oldest) = self.in_order.pop_front() {
                self.left_out.remove(&oldest);
            }
        }
    }

    /// The batch was not stored: what it left out is not counted.
    pub fn forget(&mut self) {
        self.left_out.clear();
        self.in_order.clear();
    }

    fn classify(&mut self, seen: &Seen<'_>, minute: u64) -> Choice {
        let mut key = hash(&(seen.side, seen.service, seen.method, seen.path));
        if self.endpoints.len() >= ENDPOINTS && !self.endpoints.contains_key(&key) {
            key = 0;
        }
        let endpoint = self.endpoints.entry(key).or_default();
        let is_slow = seen.duration_ns.is_some_and(|duration_ns| endpoint.add(duration_ns));
        if endpoint.minute != minute {
            (endpoint.minute, endpoint.calls_in_minute) = (minute, 0);
        }
        endpoint.calls_in_minute = endpoint.calls_in_minute.saturating_add(1);
        match seen.has_failed {
            true => Choice::Failed,
            false if is_slow => Choice::Slow,
            false if endpoint.calls_in_minute <= RARE || endpoint.calls < KNOWN => Choice::Rare,
            false => Choice::Ordinary,
        }
    }

    /// States of endpoints that were not called in this minute or the one before.
    fn forget_old(&mut self, minute: u64) {
        if self.endpoints.len() >= ENDPOINTS {
            self.endpoints.retain(|_, endpoint| endpoint.minute + 1 >= minute);
        }
    }
}

impl Endpoint {
    /// Whether it took longer than the 99th percentile, as far as that is known.
    fn add(&mut self, duration_ns: u64) -> bool {
        let bucket = self.durations.add(duration_ns);
        self.calls += 1;
        if self.calls >= KNOWN && (self.slow_above.is_none() || self.calls.is_multiple_of(KNOWN)) {
            self.slow_above = self.durations.percentile(99);
        }
        if self.calls.is_multiple_of(RECENT) {
            self.durations.halve();
        }
        self.slow_above.is_some_and(|slow_above| bucket > slow_above)
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: u128, path: &str) -> Seen<'_> {
        let duration_ns = Some(1_000_000 + id as u64 % 9 * 10_000);
        Seen { id, side: "server", service: "shop", method: "GET", path, duration_ns, has_failed: false }
    }

    fn count(choices: &[Choice], of: Choice) -> usize {
        choices.iter().filter(|choice| **choice == of).count()
    }

    /// Ten batches a second.
    fn run(sampling: &mut Sampling, batches: u128, each: u128) -> Vec<Choice> {
        let batch = |at: u128| (0..each).map(move |number| seen(at * each + number, "/a"));
        (0..batches).flat_map(|at| sampling.choose(batch(at), 1.0 + at as f64 / 10.0)).collect()
    }

    #[test]
    fn below_the_rate_everything_is_stored() {
        let choices = run(&mut Sampling::new(1000.0), 50, 90);
        assert_eq!(count(&choices, Choice::LeftOut), 0);
    }

    #[test]
    fn above_the_rate_about_as_many_are_stored_as_configured() {
        let choices = run(&mut Sampling::new(1000.0), 100, 1000);
        let ordinary = count(&choices, Choice::Ordinary);
        assert!((7_000..13_000).contains(&ordinary), "{ordinary}");
        assert!(count(&choices, Choice::LeftOut) > 80_000);
    }

    #[test]
    fn what_failed_or_is_slow_or_rare_is_always_stored() {
        let mut sampling = Sampling::new(10.0);
        run(&mut sampling, 10, 1000);
        let odd = [
            Seen { has_failed: true, ..seen(1 << 70, "/a") },
            Seen { duration_ns: Some(5_000_000), ..seen(2 << 70, "/a") },
            seen(3 << 70, "/seldom"),
        ];
        let choices = sampling.choose((90_000..95_000).map(|id| seen(id, "/a")).chain(odd), 2.0);
        assert_eq!(choices.last_chunk::<3>(), Some(&[Choice::Failed, Choice::Slow, Choice::Rare]));
        assert!(count(&choices, Choice::LeftOut) > 4900);
    }

    #[test]
    fn what_was_left_out_is_known_when_it_comes_again() {
        let mut sampling = Sampling::new(10.0);
        run(&mut sampling, 10, 1000);
        let again = || (90_000..95_000).map(|id| seen(id, "/a"));
        let left_out = count(&sampling.choose(again().chain(again()), 2.0), Choice::LeftOut);
        assert_eq!(count(&sampling.choose(again(), 9.0), Choice::Repeated), left_out);
        sampling.forget();
        assert_eq!(count(&sampling.choose(again(), 9.5), Choice::Repeated), 0);
    }

    #[test]
    fn made_up_paths_are_not_all_rare() {
        let mut sampling = Sampling::new(10.0);
        let paths: Vec<String> = (0..30_000).map(|number| format!("/x-{number}")).collect();
        let choices = sampling.choose((0..).zip(&paths).map(|(id, path)| seen(id, path)), 1.0);
        assert!(count(&choices, Choice::Rare) <= ENDPOINTS + KNOWN as usize);
        assert!(sampling.endpoints.len() <= ENDPOINTS + 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut sampling = Sampling::new(10.0);
        (0..REMEMBERED as u128 + 50).for_each(|id| sampling.remember(id));
        assert_eq!((sampling.left_out.len(), sampling.in_order.len()), (REMEMBERED, REMEMBERED));
        assert!(!sampling.left_out.contains(&49) && sampling.left_out.contains(&50));
    }
}
