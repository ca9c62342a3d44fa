//! Boot time (`CLOCK_BOOTTIME`, as the kernel side stamps its events) and its distance to the wall clock.

/// Nanoseconds since boot.
pub fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// What to add to boot time to get nanoseconds since the Unix epoch; moves when the wall clock is set.
pub fn wall_offset_ns() -> u64 {
    read(libc::CLOCK_REALTIME).wrapping_sub(boot_ns())
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
