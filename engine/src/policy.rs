//! What the kernel side is to copy of each connection: plain memory that both sides share (bpf/maps/policies.h).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

use crate::events;

/// What the engine wants of one connection. Offsets below `ignore_*` of a stream are not copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub mode: u32,
    pub ignore_rx: u64,
    pub ignore_tx: u64,
}

impl Policy {
    /// What operations there are, without a byte of theirs.
    pub const OPERATIONS: Policy = Policy { mode: events::POLICY_HTTP, ignore_rx: u64::MAX, ignore_tx: u64::MAX };
    pub const NOTHING: Policy = Policy { mode: events::POLICY_NONE, ignore_rx: 0, ignore_tx: 0 };
}

/// Where the plaintext of a TLS session is steered: rv_tls_policy_cookie of bpf/hooks/tls.h. `cookie` is that of the
/// connection if the kernel side knows it (`TlsEvent::cookie`) and the session is not inside another one, else 0.
/// `opened_ns` tells the session from an earlier one at its address.
pub fn tls_cookie(cookie: u64, tgid: u32, session: u64, opened_ns: u64) -> u64 {
    if cookie != 0 {
        return cookie ^ TLS_COOKIE;
    }
    ((session ^ u64::from(tgid) << 32 ^ opened_ns << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) | 1 << 63
}

/// RV_TLS_COOKIE of bpf/events.h.
const TLS_COOKIE: u64 = 0x4000_0000_0000_5555;

/// Takes policies; a replay has nobody to steer.
pub trait Steering {
    fn steer(&mut self, cookie: u64, policy: Policy);
}

/// For replays.
pub struct NoSteering;

impl Steering for NoSteering {
    fn steer(&mut self, _cookie: u64, _policy: Policy) {}
}

/// Layout of `struct rv_policy`; the generated struct guards it.
#[repr(C)]
struct Slot {
    cookie: AtomicU64,
    ignore_rx: AtomicU64,
    ignore_tx: AtomicU64,
    mode: AtomicU32,
    _pad: AtomicU32,
}

const _: () = assert!(std::mem::size_of::<Slot>() == std::mem::size_of::<events::Policy>());

/// The map `policies`, mapped into this process.
pub struct SharedPolicies {
    slots: *const Slot,
    count: usize,
    bytes: usize,
}

// SAFETY: the mapping lives as long as the value and is only accessed through atomics.
unsafe impl Send for SharedPolicies {}

impl SharedPolicies {
    /// Maps an mmapable array map of `count` slots.
    ///
    /// # Errors
    /// What mmap says.
    pub fn map(map: BorrowedFd<'_>, count: usize) -> std::io::Result<SharedPolicies> {
        let bytes = count * std::mem::size_of::<Slot>();
        // SAFETY: a new shared mapping of a map that has exactly this size; nothing else is touched.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(SharedPolicies { slots: address.cast(), count, bytes })
    }
}

impl Steering for SharedPolicies {
    fn steer(&mut self, cookie: u64, policy: Policy) {
        let index = cookie as usize & (self.count - 1);
        // SAFETY: index < count, and the mapping holds count slots.
        let slot = unsafe { &*self.slots.add(index) };
        if slot.cookie.load(Ordering::Relaxed) != cookie {
            // The kernel must never see another connection's offsets under this cookie.
            slot.cookie.store(0, Ordering::Release);
            fence(Ordering::SeqCst);
        }
        slot.ignore_rx.store(policy.ignore_rx, Ordering::Relaxed);
        slot.ignore_tx.store(policy.ignore_tx, Ordering::Relaxed);
        slot.mode.store(policy.mode, Ordering::Relaxed);
        slot.cookie.store(cookie, Ordering::Release);
    }
}

impl Drop for SharedPolicies {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this size, and not used after.
        unsafe { libc::munmap(self.slots.cast_mut().cast(), self.bytes) };
    }
}
