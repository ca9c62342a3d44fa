//! How soon the threads get a CPU that must not be late.

/// Before ordinary programs, behind what an administrator puts first.
const NICE: i32 = -10;

/// Lets the calling thread go before ordinary ones. On a machine without an idle CPU the ring is full within some tens of
/// milliseconds, and a program speaks TLS as soon after its start: what is lost then cannot be had again. The thread takes
/// no more time, it has it earlier. Without CAP_SYS_NICE all stays as it is.
pub fn go_first() {
    // SAFETY: no pointers; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}
