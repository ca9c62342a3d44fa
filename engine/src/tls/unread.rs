//! Which processes have TLS that no probe can read, and why, asked once and without probing anything.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rover_sites::inspect;
use serde::Serialize;

use super::files::{self, Content, Inode};
use super::libraries::maybe_own;
use super::mappings::Mapping;
use super::maps;
use super::sites::kind_name;

/// A library that a process has mapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// As the process sees it.
    pub path: PathBuf,
    /// `rustls`, `nss`, `jsse`
    pub kind: &'static str,
    pub version: Option<String>,
    pub reason: &'static str,
}

/// Those of each of the processes that has any; each file is looked at once, which takes milliseconds.
pub fn unread(pids: &[u32]) -> BTreeMap<u32, Vec<Unread>> {
    let own = maybe_own();
    let mut known: HashMap<Inode, Option<Unread>> = HashMap::new();
    let mut found: BTreeMap<u32, Vec<Unread>> = BTreeMap::new();
    for pid in pids {
        for mapping in maps::executable_files(*pid) {
            let look = || maybe_unread(&mapping, own);
            if let Some(library) = known.entry(mapping.inode).or_insert_with(look) {
                let library = Unread { path: mapping.path, ..library.clone() };
                found.entry(*pid).or_default().push(library);
            }
        }
    }
    found
}

/// None as well for a file that is gone, or none of TLS.
fn maybe_unread(mapping: &Mapping, own: Option<Content>) -> Option<Unread> {
    let (file, metadata) = files::maybe_file(mapping)?;
    if own.is_some_and(|own| own.is_same_file(&Content::of(&metadata))) {
        return None;
    }
    let library = inspect(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))).ok()??;
    let reason = library.kind.why_unread()?;
    Some(Unread { path: mapping.path.clone(), kind: kind_name(library.kind), version: library.version, reason })
}
