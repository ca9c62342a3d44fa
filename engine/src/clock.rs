//! Boot time (`CLOCK_BOOTTIME`, as the kernel side stamps its events) and its distance to the wall clock.

/// Nanoseconds since boot.
pub fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// A thread that is stopped between two readings makes them lie apart: the closest of this many counts.
const READINGS: usize = 3;

/// What to add to boot time to get nanoseconds since the Unix epoch; moves when the wall clock is set.
pub fn wall_offset_ns() -> u64 {
    offset_of([(); READINGS].map(|()| Reading::take(boot_ns, || read(libc::CLOCK_REALTIME))))
}

/// The wall clock between two looks at the boot clock.
struct Reading {
    before_ns: u64,
    wall_ns: u64,
    after_ns: u64,
}

impl Reading {
    /// The order of the three is the point: fields are evaluated as they are written.
    fn take(boot_ns: impl Fn() -> u64, wall_ns: impl Fn() -> u64) -> Reading {
        Reading { before_ns: boot_ns(), wall_ns: wall_ns(), after_ns: boot_ns() }
    }

    fn window_ns(&self) -> u64 {
        self.after_ns.saturating_sub(self.before_ns)
    }
}

/// By the reading with the smallest window, whose middle is off by half of it at most.
fn offset_of(readings: [Reading; READINGS]) -> u64 {
    let best = readings.into_iter().min_by_key(Reading::window_ns);
    best.map_or(0, |best| best.wall_ns.wrapping_sub(best.before_ns + best.window_ns() / 2))
}

/// CPU time that the calling thread has used.
pub fn thread_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec; both clocks exist on every kernel that has BPF.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const EPOCH_NS: u64 = 1_700_000_000_000_000_000;

    /// The offset as it is read when each look at a clock takes `steps[n]`; the truth is [`EPOCH_NS`].
    fn read_with(steps: [u64; 9]) -> u64 {
        let (now, looks) = (Cell::new(1_000), Cell::new(0));
        let look = || {
            now.set(now.get() + steps[looks.get()]);
            looks.set(looks.get() + 1);
            now.get()
        };
        offset_of([(); READINGS].map(|()| Reading::take(look, || EPOCH_NS + look())))
    }

    #[test]
    fn a_thread_that_is_stopped_between_two_looks_shifts_no_time() {
        const STOPPED: u64 = 40_000_000;
        assert_eq!(read_with([20; 9]), EPOCH_NS);
        for stopped in 0..9 {
            let mut steps = [20; 9];
            steps[stopped] = STOPPED;
            assert_eq!(read_with(steps), EPOCH_NS, "before look {stopped}");
        }
        assert_eq!(read_with([20, STOPPED, 20, 20, 20, STOPPED, 20, 20, 20]), EPOCH_NS);
    }

    #[test]
    fn the_middle_of_the_window_is_where_the_wall_clock_was_read() {
        let off = read_with([0, 10, 90, 0, 10, 90, 0, 10, 90]).abs_diff(EPOCH_NS);
        assert!(off <= 50, "{off} ns, with a window of 100 ns");
    }

    #[test]
    fn the_offset_is_that_of_the_machine() {
        let wall_ns = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let told_ns = boot_ns() + wall_offset_ns();
        assert!(told_ns >= wall_ns && told_ns - wall_ns < 10_000_000_000, "{told_ns} {wall_ns}");
    }
}
