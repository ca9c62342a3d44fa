//! What is probed in single processes, because a session or a connection there has asked for it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use super::{Entry, Known, Libraries, SHARED};
use crate::clock;
use crate::tls::files::{self, Content};
use crate::tls::links;
use crate::tls::mappings::Mapping;
use crate::tls::programs::{Program, Programs};

/// Processes in which the ciphertext of a library is looked at one by one. With more it is looked at in all: attaching and
/// letting go takes the kernel tens of milliseconds each, too long where processes come and go.
const CIPHER_PROCESSES: usize = 4;
/// How long the HPACK decoders of a process are probed for one request, and of how many processes of a file at a time: one
/// that comes too late is asked for again with its next block.
const TABLES_NS: u64 = 3_000_000_000;
const TABLE_PROCESSES: usize = 16;
/// Stands for all of them.
pub(super) const EVERYBODY: u32 = 0;

impl Libraries {
    /// Sessions of this process have no socket: from now on their ciphertext is told.
    pub fn follow_ciphertext(&mut self, pid: u32, mapped: &[Mapping]) {
        for mapping in mapped {
            let known = files::maybe_file(mapping).and_then(|(_, m)| self.by_content.get(&Content::of(&m)).copied());
            let Some(Known::Library(id)) = known else {
                continue;
            };
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let Some(file) = entry.file.as_ref() else {
                continue;
            };
            let is_followed = [pid, EVERYBODY].iter().any(|pid| entry.cipher_links.contains_key(pid));
            if is_followed || entry.cipher.is_empty() {
                continue;
            }
            // An executable with a library of its own uses it in one way only: the next process is covered from the first.
            let is_own = entry.status.linkage != SHARED;
            let one = Some(pid).filter(|_| !is_own && entry.cipher_links.len() < CIPHER_PROCESSES);
            // A process that has gone meanwhile: nothing to follow.
            if let Ok(links) = attach_ciphertext(&self.programs, entry, file, one) {
                entry.cipher_links.insert(one.unwrap_or(EVERYBODY), links);
            }
            if one.is_none() {
                entry.cipher_links.retain(|pid, _| *pid == EVERYBODY);
            }
        }
    }

    /// A connection of this process, older than rover, lacks entries of an HPACK table: for some seconds the program's
    /// decoders are probed.
    pub fn follow_tables(&mut self, pid: u32, mapped: &[Mapping]) {
        let until_ns = clock::boot_ns() + TABLES_NS;
        for mapping in mapped {
            let known = files::maybe_file(mapping).and_then(|(_, m)| self.by_content.get(&Content::of(&m)).copied());
            let Some(Known::Library(id)) = known else {
                continue;
            };
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.tables.places.is_empty()) else {
                continue;
            };
            if let Some((until, _)) = entry.table_links.get_mut(&pid) {
                *until = until_ns;
                continue;
            }
            let Some(file) = entry.file.as_ref().filter(|_| entry.table_links.len() < TABLE_PROCESSES) else {
                continue;
            };
            let program = self.programs.of(Program::Table);
            // A process that has gone meanwhile: nothing to follow.
            if let Ok(links) = links::attach(self.programs.way, program, file, &entry.tables, Some(pid)) {
                entry.table_links.insert(pid, (until_ns, links));
            }
        }
    }

    /// Lets go of decoders for which nobody has asked again.
    pub fn release_tables(&mut self) {
        let now_ns = clock::boot_ns();
        for entry in self.entries.values_mut() {
            entry.table_links.retain(|_, (until_ns, _)| *until_ns > now_ns);
        }
    }
}

/// In every process or in one.
pub(super) fn attach_ciphertext(
    programs: &Programs,
    entry: &Entry,
    file: &File,
    pid: Option<u32>,
) -> io::Result<Vec<OwnedFd>> {
    let program = programs.of(Program::Cipher);
    let mut links = Vec::new();
    for places in &entry.cipher {
        links.extend(links::attach(programs.way, program, file, places, pid)?);
    }
    Ok(links)
}
