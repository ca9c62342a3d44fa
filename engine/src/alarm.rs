//! A pause that a ring buffer which fills too fast can end.
//!
//! Edge-triggered: a ring with unread data is always "ready", and would end every pause at once; only the kernel side's
//! explicit wake-up may.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Waits for the time to pass or for a wake-up.
#[derive(Debug)]
pub struct Alarm {
    epoll: OwnedFd,
}

impl Alarm {
    /// For a ring-buffer map.
    ///
    /// # Errors
    /// What epoll says.
    pub fn new(ring: BorrowedFd<'_>) -> io::Result<Alarm> {
        // SAFETY: no pointers.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just created, owned by nobody else.
        let epoll = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        // SAFETY: both descriptors are open, and the event outlives the call.
        let failed =
            unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, ring.as_raw_fd(), &raw mut event) };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Alarm { epoll })
    }

    /// Returns after `most`, or earlier when woken.
    pub fn wait(&self, most: Duration) {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for the one event that is asked for. An interrupted wait is a short pause.
        unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), &raw mut event, 1, most.as_millis() as i32) };
    }
}
