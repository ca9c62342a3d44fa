//! The kernel's own names for why and where a packet was dropped. Read from the running kernel, never from a table of
//! ours; each is looked up once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Names by number. Without a kernel (a replay) the numbers themselves.
#[derive(Debug, Default)]
pub struct KernelNames {
    reasons: BTreeMap<u32, String>,
    is_live: bool,
    known_reasons: FxHashMap<u32, Arc<str>>,
    known_locations: FxHashMap<u64, Arc<str>>,
}

impl KernelNames {
    /// Of the running kernel.
    pub fn running() -> KernelNames {
        KernelNames { reasons: crate::support::drop_reasons(), is_live: true, ..KernelNames::default() }
    }

    pub fn reason(&mut self, number: u32) -> Arc<str> {
        let reasons = &self.reasons;
        let name = || reasons.get(&number).cloned().unwrap_or_else(|| format!("reason {number}"));
        Arc::clone(self.known_reasons.entry(number).or_insert_with(|| name().into()))
    }

    pub fn location(&mut self, address: u64) -> Arc<str> {
        let is_live = self.is_live;
        let symbol = || is_live.then(|| crate::support::maybe_symbol(address)).flatten();
        let name = || symbol().unwrap_or_else(|| format!("{address:#x}"));
        Arc::clone(self.known_locations.entry(address).or_insert_with(|| name().into()))
    }
}
