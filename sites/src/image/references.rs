//! For files without symbols: where functions begin, and which code refers to a string.

use memchr::{memchr_iter, memmem};
use object::elf;

use super::{Image, SEARCH_BYTES, SEARCH_OVERLAP};

/// References to one string; beyond that it is no name of a source file.
const MOST_REFERENCES: usize = 4096;
/// `lea r64, [rip + distance]`
const LEA_BYTES: usize = 7;

impl Image {
    /// Address of this string in the read-only data.
    pub fn string(&self, text: &str) -> Option<u64> {
        self.find_string(text, |before| before.last().is_none_or(|&byte| byte == 0).then_some(before.len()))
    }

    /// Address of the string in the read-only data that ends so, from its own beginning on.
    pub fn string_ending(&self, ending: &str) -> Option<u64> {
        self.find_string(ending, |before| Some(memchr::memrchr(0, before).map_or(0, |zero| zero + 1)))
    }

    /// The first match that `start` wants: it is told what stands before, and says where the string begins.
    fn find_string(&self, ending: &str, start: impl Fn(&[u8]) -> Option<usize>) -> Option<u64> {
        let section = self.section(".rodata")?;
        let end = section.offset.checked_add(section.size)?;
        let mut needle = ending.as_bytes().to_vec();
        needle.push(0);
        let finder = memmem::Finder::new(&needle);
        let mut at = section.offset;
        while at < end {
            let window = self.read(at, (end - at).min(SEARCH_BYTES + SEARCH_OVERLAP))?;
            let mut starts = finder.find_iter(&window).filter_map(|found| start(window.get(..found)?));
            if let Some(start) = starts.next() {
                return section.address.checked_add((at - section.offset).checked_add(start as u64)?);
            }
            at = at.checked_add(SEARCH_BYTES)?;
        }
        None
    }

    /// Where functions begin, in order, by the table for stack unwinding (`.eh_frame_hdr`, LSB core 10.6.2), which stays
    /// when symbols go. Only the usual encoding is read: distances of 4 bytes from the table.
    pub fn function_starts(&self) -> Vec<u64> {
        let Some(section) = self.section(".eh_frame_hdr") else { return Vec::new() };
        let Some(table) = self.contents(section) else { return Vec::new() };
        if table.get(..4) != Some(&[1, 0x1b, 0x03, 0x3b]) {
            return Vec::new();
        }
        let entries = table.get(12..).unwrap_or_default().chunks_exact(8);
        let start = |entry: &[u8]| {
            let distance = i32::from_le_bytes(entry.get(..4)?.try_into().ok()?);
            section.address.checked_add_signed(distance.into())
        };
        let mut starts: Vec<u64> = entries.filter_map(start).collect();
        starts.sort_unstable();
        starts
    }

    /// Addresses of the instructions that load this address: relative to their own, or as it is into rdx, rsi or rdi.
    pub fn references_to(&self, target: u64) -> Vec<u64> {
        let mut references = Vec::new();
        let code = self.sections.iter().filter(|section| section.kind == elf::SHT_PROGBITS.0);
        for section in code.filter(|section| self.is_code(section.address)) {
            let mut at = 0;
            while at < section.size {
                let size = (section.size - at).min(SEARCH_BYTES + LEA_BYTES as u64);
                let Some(window) = section.offset.checked_add(at).and_then(|at| self.read(at, size)) else { break };
                let base = section.address.wrapping_add(at);
                references.extend(moves(&window, target).map(|from| base.wrapping_add(from as u64)));
                references.extend(
                    leas(&window)
                        .filter(|(from, distance)| {
                            base.wrapping_add(*from as u64 + LEA_BYTES as u64).wrapping_add_signed((*distance).into())
                                == target
                        })
                        .map(|(from, _)| base.wrapping_add(from as u64)),
                );
                if references.len() > MOST_REFERENCES {
                    return references;
                }
                at += SEARCH_BYTES;
            }
        }
        references.dedup();
        references
    }
}

/// Places of everything that looks like `mov r32, target`, which a file with fixed addresses may have instead.
fn moves(window: &[u8], target: u64) -> impl Iterator<Item = usize> + '_ {
    let target = u32::try_from(target).ok();
    memchr::memchr3_iter(0xbe, 0xbf, 0xba, window).filter(move |at| {
        let immediate = window.get(at + 1..at + 5).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        target.is_some() && immediate == target
    })
}

/// Place and distance of everything that looks like `lea r64, [rip + distance]`.
fn leas(window: &[u8]) -> impl Iterator<Item = (usize, i32)> + '_ {
    memchr_iter(0x8d, window).filter_map(|at| {
        let start = at.checked_sub(1)?;
        let bytes = window.get(start..start.checked_add(LEA_BYTES)?)?;
        let [rex, _, modrm, distance @ ..] = bytes else { return None };
        let is_lea = rex & 0xfb == 0x48 && modrm & 0xc7 == 0x05;
        is_lea.then_some((start, i32::from_le_bytes(distance.try_into().ok()?)))
    })
}
