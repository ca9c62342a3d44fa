//! How long bytes wait for those before them, and a response for its request.
//!
//! An operation is told when its call returns. Its thread may be stopped before that for as long as the scheduler likes: with
//! other work on the CPU for tens of milliseconds, under a CPU quota for a period of it and more. Who gives up earlier makes
//! a gap of what is only late. Where operations are truly lost, waiting brings nothing and costs memory.

/// As long as nothing speaks against it: ten periods of a CPU quota (100 ms each unless set otherwise).
const LONG_NS: u64 = 1_000_000_000;
/// Where bytes have been missing for good, or too much waits.
const SHORT_NS: u64 = 50_000_000;
/// After the ring buffer had no room there are gaps.
const LOSING_NS: u64 = 2_000_000_000;
/// Bytes that wait in all connections before all wait for less.
const PRESSED_BYTES: usize = 16 * 1024 * 1024;

/// The patience of all connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    ring_full: u64,
    losing_until_ns: u64,
    is_short: bool,
}

impl Patience {
    /// From what the ring buffer has lost so far, and the bytes that wait.
    pub fn judge(&mut self, now_ns: u64, ring_full: u64, held_bytes: usize) {
        if ring_full != self.ring_full {
            self.ring_full = ring_full;
            self.losing_until_ns = now_ns + LOSING_NS;
        }
        self.is_short = now_ns < self.losing_until_ns || held_bytes > PRESSED_BYTES;
    }

    /// What came before this waits no longer. `has_waited`: in vain, before.
    pub fn deadline_ns(self, now_ns: u64, has_waited: bool) -> u64 {
        now_ns.saturating_sub(if self.is_short || has_waited { SHORT_NS } else { LONG_NS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 60_000_000_000;

    #[test]
    fn a_connection_that_has_waited_in_vain_waits_for_less() {
        let patience = Patience::default();
        assert_eq!(
            (patience.deadline_ns(NOW, false), patience.deadline_ns(NOW, true)),
            (NOW - LONG_NS, NOW - SHORT_NS)
        );
    }

    #[test]
    fn nobody_waits_long_while_operations_are_lost_or_too_much_waits() {
        let mut patience = Patience::default();
        patience.judge(NOW, 1, 0);
        assert_eq!(patience.deadline_ns(NOW, false), NOW - SHORT_NS);
        patience.judge(NOW + LOSING_NS, 1, 0);
        assert_eq!(patience.deadline_ns(NOW, false), NOW - LONG_NS);
        patience.judge(NOW + LOSING_NS, 1, PRESSED_BYTES + 1);
        assert_eq!(patience.deadline_ns(NOW, false), NOW - SHORT_NS);
    }
}
