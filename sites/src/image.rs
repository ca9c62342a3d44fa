//! An ELF file as far as it is needed: segments, sections, symbols, relocations, code by address.
//!
//! Read with `pread`, never mapped: a mapped file that someone truncates kills its reader by SIGBUS, and the files here
//! belong to others. What is read at once is bounded by `LARGEST_TABLE`, and by the size of the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem;
use object::elf;
use object::pod;
use object::LittleEndian as Le;

use crate::Error;

mod references;
mod relocations;
mod symbols;

pub(crate) use relocations::Relocations;
pub(crate) use symbols::{Symbol, Symbols};

/// No section that is read whole may be larger: the largest seen (Chromium's string table) has 200 MB with symbols.
const LARGEST_TABLE: u64 = 512 << 20;
/// Real files have under 100; a kernel module with a section per function some thousands.
const MOST_HEADERS: u64 = 65_535;

/// Data is searched in windows of this size, which overlap.
const SEARCH_BYTES: u64 = 1 << 20;
const SEARCH_OVERLAP: u64 = 256;

pub(crate) struct Image {
    file: File,
    len: u64,
    /// Not an executable: ET_DYN without an interpreter. A PIE has one.
    pub is_shared: bool,
    segments: Vec<Segment>,
    sections: Vec<Section>,
}

struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    is_executable: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub name: String,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub kind: u32,
    pub link: u32,
}

impl Image {
    pub fn open(path: &Path) -> Result<Image, Error> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Error::NotElf("not a regular file"));
        }
        let len = metadata.len();
        let mut head = [0u8; size_of::<elf::FileHeader64<Le>>()];
        if len < head.len() as u64 {
            return Err(Error::NotElf("too short"));
        }
        file.read_exact_at(&mut head, 0)?;
        let (header, _) = pod::from_bytes::<elf::FileHeader64<Le>>(&head).map_err(|()| Error::NotElf("too short"))?;
        if head.get(..4) != Some(b"\x7fELF".as_slice()) {
            return Err(Error::NotElf("no ELF magic"));
        }
        if head.get(4) != Some(&2) || head.get(5) != Some(&1) {
            return Err(Error::Unsupported("only 64-bit little-endian files"));
        }
        if header.e_machine.get(Le) != elf::EM_X86_64 {
            return Err(Error::Unsupported("only x86-64"));
        }
        let mut image = Image { file, len, is_shared: false, segments: Vec::new(), sections: Vec::new() };
        image.read_segments(header)?;
        image.read_sections(header);
        Ok(image)
    }

    fn read_segments(&mut self, header: &elf::FileHeader64<Le>) -> Result<(), Error> {
        let count = u64::from(header.e_phnum.get(Le)).min(MOST_HEADERS);
        let bytes = self
            .read(header.e_phoff.get(Le), count * size_of::<elf::ProgramHeader64<Le>>() as u64)
            .ok_or(Error::NotElf("its program headers are not in the file"))?;
        let headers = pod::slice_from_all_bytes::<elf::ProgramHeader64<Le>>(&bytes)
            .map_err(|()| Error::NotElf("broken program headers"))?;
        let mut has_interpreter = false;
        for header in headers {
            match header.p_type.get(Le) {
                elf::PT_LOAD => self.segments.push(Segment {
                    address: header.p_vaddr.get(Le),
                    offset: header.p_offset.get(Le),
                    size: header.p_filesz.get(Le),
                    is_executable: header.p_flags.get(Le).0 & elf::PF_X.0 != 0,
                }),
                elf::PT_INTERP => has_interpreter = true,
                _ => {}
            }
        }
        self.is_shared = header.e_type.get(Le) == elf::ET_DYN && !has_interpreter;
        Ok(())
    }

    /// A file without sections, or with broken ones, has segments all the same: it is just not known by name.
    fn read_sections(&mut self, header: &elf::FileHeader64<Le>) {
        let count = u64::from(header.e_shnum.get(Le)).min(MOST_HEADERS);
        let Some(bytes) = self.read(header.e_shoff.get(Le), count * size_of::<elf::SectionHeader64<Le>>() as u64)
        else {
            return;
        };
        let Ok(headers) = pod::slice_from_all_bytes::<elf::SectionHeader64<Le>>(&bytes) else { return };
        let names = headers
            .get(usize::from(header.e_shstrndx.get(Le).0))
            .and_then(|names| self.read(names.sh_offset.get(Le), names.sh_size.get(Le).min(1 << 24)))
            .unwrap_or_default();
        self.sections = headers
            .iter()
            .map(|header| Section {
                name: String::from_utf8_lossy(string_at(&names, header.sh_name.get(Le) as usize)).into_owned(),
                address: header.sh_addr.get(Le),
                offset: header.sh_offset.get(Le),
                size: header.sh_size.get(Le),
                kind: header.sh_type.get(Le).0,
                link: header.sh_link.get(Le),
            })
            .collect();
    }

    /// Bytes of the file, or None if they are not all in it.
    pub fn read(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        if len > LARGEST_TABLE || offset.checked_add(len)? > self.len {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub fn section_ending(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name.ends_with(name))
    }

    pub fn section_of_kind(&self, kind: u32) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }

    /// Not stripped.
    pub fn has_symbols(&self) -> bool {
        self.section_of_kind(elf::SHT_SYMTAB.0).is_some()
    }

    pub fn section_at(&self, index: u32) -> Option<&Section> {
        self.sections.get(index as usize)
    }

    /// A whole section; None if it occupies no space in the file or is not all in it.
    pub fn contents(&self, section: &Section) -> Option<Vec<u8>> {
        if section.kind == elf::SHT_NOBITS.0 {
            return None;
        }
        self.read(section.offset, section.size)
    }

    /// The place in the file of what is loaded at this address.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let (segment, within) = self.segment_of(address)?;
        segment.offset.checked_add(within)
    }

    fn segment_of(&self, address: u64) -> Option<(&Segment, u64)> {
        self.segments.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            (within < segment.size).then_some((segment, within))
        })
    }

    pub fn is_code(&self, address: u64) -> bool {
        self.segment_of(address).is_some_and(|(segment, _)| segment.is_executable)
    }

    /// What is loaded at the address: at most `len` bytes, fewer where the segment ends before.
    pub fn bytes_at(&self, address: u64, len: u64) -> Option<Vec<u8>> {
        let (segment, within) = self.segment_of(address)?;
        self.read(segment.offset.checked_add(within)?, len.min(segment.size - within))
    }

    /// What is loaded from `start` on, zeros between segments; ends with the last that is loaded.
    pub fn code_window(&self, start: u64, len: u64) -> Option<Vec<u8>> {
        let end = start.checked_add(len)?;
        let mut window = Vec::new();
        for segment in &self.segments {
            let Some(segment_end) = segment.address.checked_add(segment.size) else { continue };
            let (from, to) = (segment.address.max(start), segment_end.min(end));
            if from >= to {
                continue;
            }
            let Some(bytes) = self.bytes_at(from, to - from) else { continue };
            let at = usize::try_from(from - start).ok()?;
            window.resize(window.len().max(at + bytes.len()), 0);
            if let Some(place) = window.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(&bytes);
            }
        }
        (!window.is_empty()).then_some(window)
    }

    pub fn word_at(&self, address: u64) -> Option<u64> {
        let bytes = self.bytes_at(address, 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Whether the file is a shared library by one of these names (their beginnings), and not something that contains
    /// one. Wheels rename the libraries that they bring along: `libssl-2e7e32f8.so.1.1`.
    pub fn is_library(&self, names: &[&str]) -> bool {
        let soname = self.soname().unwrap_or_default();
        self.is_shared && names.iter().any(|name| soname.starts_with(name))
    }

    fn soname(&self) -> Option<String> {
        let dynamic = self.section_of_kind(elf::SHT_DYNAMIC.0)?;
        let names = self.contents(self.section_at(dynamic.link)?)?;
        let bytes = self.contents(dynamic)?;
        let whole = bytes.len() - bytes.len() % size_of::<elf::Dyn64<Le>>();
        let entries = pod::slice_from_all_bytes::<elf::Dyn64<Le>>(bytes.get(..whole)?).ok()?;
        let entry = entries.iter().find(|entry| entry.d_tag.get(Le) == elf::DT_SONAME)?;
        let name = string_at(&names, usize::try_from(entry.d_val.get(Le)).ok()?);
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// What the first match of a text in the read-only data, with what follows it, is good for.
    pub fn find_in_data<T>(&self, text: &memmem::Finder, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let section = self.section(".rodata")?;
        let end = section.offset.checked_add(section.size)?.min(self.len);
        let mut at = section.offset;
        while at < end {
            let window = self.read(at, (end - at).min(SEARCH_BYTES + SEARCH_OVERLAP))?;
            for found in text.find_iter(&window) {
                if let Some(value) = window.get(found + text.needle().len()..).and_then(&read) {
                    return Some(value);
                }
            }
            at = at.checked_add(SEARCH_BYTES)?;
        }
        None
    }

    /// The linker's hash of the contents (`NT_GNU_BUILD_ID`), in hex.
    pub fn build_id(&self) -> Option<String> {
        let note = self.contents(self.section(".note.gnu.build-id")?)?;
        // Three words (sizes of name and value, type), the name "GNU\0", the value.
        let size = u32::from_le_bytes(note.get(4..8)?.try_into().ok()?) as usize;
        let value = note.get(16..16usize.checked_add(size)?)?;
        Some(value.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The NUL-terminated string at a place of a string table; empty where there is none.
pub(crate) fn string_at(table: &[u8], at: usize) -> &[u8] {
    let rest = table.get(at..).unwrap_or_default();
    let end = memchr::memchr(0, rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}
