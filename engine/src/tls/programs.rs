//! The programs of bpf/hooks/tls.h and the maps that tell them what a place means, or that they fill.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::events::{TlsAccount, TlsSite};

/// How a program gets to a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachWay {
    /// One link for all places of a file.
    Multi,
    /// A perf event for each.
    PerfEvents,
}

/// Loaded and not attached.
#[derive(Debug)]
pub struct Programs {
    pub enter: OwnedFd,
    pub leave: OwnedFd,
    pub free: OwnedFd,
    pub cipher: OwnedFd,
    pub table: OwnedFd,
    pub sites: MapHandle,
    pub accounts: MapHandle,
    pub goroutines: MapHandle,
    pub sessions: MapHandle,
    pub way: AttachWay,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Enter,
    Leave,
    Free,
    Cipher,
    Table,
}

impl Programs {
    pub fn of(&self, program: Program) -> BorrowedFd<'_> {
        match program {
            Program::Enter => self.enter.as_fd(),
            Program::Leave => self.leave.as_fd(),
            Program::Free => self.free.as_fd(),
            Program::Cipher => self.cipher.as_fd(),
            Program::Table => self.table.as_fd(),
        }
    }

    /// What a probe with the cookie `index` means.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn put_site(&self, index: u32, site: &TlsSite) -> Result<(), libbpf_rs::Error> {
        self.sites.update(&index.to_ne_bytes(), bytes_of(site), MapFlags::ANY)
    }

    /// Begins a library's account anew. Its calls are told once all places are probed (`is_whole`), none before.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open_account(&self, index: u32, is_whole: bool) -> Result<(), libbpf_rs::Error> {
        let account = TlsAccount { is_whole: u32::from(is_whole), ..TlsAccount::default() };
        self.accounts.update(&index.to_ne_bytes(), bytes_of(&account), MapFlags::ANY)
    }

    pub fn account(&self, index: u32) -> TlsAccount {
        let value = self.accounts.lookup(&index.to_ne_bytes(), MapFlags::ANY).ok().flatten().unwrap_or_default();
        let number = |at: usize| {
            let bytes = value.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_ne_bytes)
        };
        TlsAccount {
            entered: number(0),
            left: number(1),
            orphans: number(2),
            unended: number(3),
            excess: number(4),
            unlikely: number(5),
            is_whole: number(6),
            pad: 0,
        }
    }
}

impl Programs {
    /// Forgets calls of goroutines whose process ended within them, and sessions that were not freed before theirs did: the
    /// next process of that number might have one at the same address.
    pub fn sweep(&self, is_alive: impl Fn(u32) -> bool) {
        // `struct rv_tls_goroutine` and `struct rv_tls_key`: the process is behind the address.
        let process = |key: &[u8]| Some(u32::from_ne_bytes(key.get(8..12)?.try_into().ok()?));
        let mut alive = HashMap::new();
        for map in [&self.goroutines, &self.sessions] {
            // Deleted afterwards: behind a key that is gone the map begins anew.
            let keys: Vec<Vec<u8>> = map.keys().collect();
            for key in keys {
                let Some(pid) = process(&key) else {
                    continue;
                };
                if *alive.entry(pid).or_insert_with(|| is_alive(pid)) {
                    continue;
                }
                // One that is not there any more is as wanted.
                map.delete(&key).unwrap_or_default();
            }
        }
    }
}

/// Layouts without padding (bpf/ is compiled with -Wpadded -Werror).
trait Plain: Copy {}
impl Plain for TlsSite {}
impl Plain for TlsAccount {}

fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: Plain promises that every byte of the value is initialised; the slice lives as long as the value.
    unsafe { std::slice::from_raw_parts((value as *const T).cast(), std::mem::size_of::<T>()) }
}
