//! Files of processes that have gone: another one of the same container still sees them.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::files;
use super::mappings::Mapping;
use super::maps;

/// Of the time at most one part in this many goes into the search.
const SHARE: u32 = 20;

/// Searches mount namespaces, within its share of the time.
#[derive(Debug)]
pub struct Elsewhere {
    rests_until: Instant,
}

impl Elsewhere {
    pub fn new() -> Elsewhere {
        Elsewhere { rests_until: Instant::now() }
    }

    /// The file of a mapping whose process has gone, and a process that sees it.
    pub fn maybe_file(&mut self, mapping: &Mapping) -> Option<(File, Metadata, u32)> {
        let begin = Instant::now();
        // Nothing else of a program that ended at once would be looked at a second time.
        if !files::is_likely(&mapping.path) || begin < self.rests_until {
            return None;
        }
        let found = search(mapping);
        let took: Duration = begin.elapsed();
        self.rests_until = begin + took * SHARE;
        found
    }
}

fn search(mapping: &Mapping) -> Option<(File, Metadata, u32)> {
    let inside = mapping.path.strip_prefix("/").ok()?;
    let mut seen = HashSet::new();
    maps::processes().into_iter().find_map(|pid| {
        let process = Path::new("/proc").join(pid.to_string());
        let namespace = process.join("ns/mnt").metadata().ok()?.ino();
        if !seen.insert(namespace) {
            return None;
        }
        let (file, metadata) = files::maybe_same(&process.join("root").join(inside), &mapping.inode)?;
        Some((file, metadata, pid))
    })
}
