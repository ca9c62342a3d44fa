//! `.gopclntab`: names and addresses of all functions (src/runtime/symtab.go, src/debug/gosym/pclntab.go).
//!
//! Three layouts matter, told apart by a magic number: of 1.2, 1.16 (names in a table of their own), 1.18 and 1.20
//! (addresses relative to the beginning of the text).

use std::collections::HashMap;

use memchr::memmem;

use crate::code::Code;
use crate::image::Symbol;

const MAGIC_1_2: u32 = 0xffff_fffb;
const MAGIC_1_16: u32 = 0xffff_fffa;
const MAGIC_1_18: u32 = 0xffff_fff0;
const MAGIC_1_20: u32 = 0xffff_fff1;
/// Offset in `runtime.moduledata` of the text's beginning, behind pclntab header, six slices and three words.
const MODULE_TEXT: u64 = 176;
/// Names that are looked at; a prefix that matches more is not meant.
const MOST_NAMES: usize = 4096;

pub(super) struct Table {
    data: Vec<u8>,
    layout: Layout,
}

enum Layout {
    /// Addresses and offsets of 8 bytes, all offsets from the beginning of the table.
    Words { count: usize, functions: usize, base: usize, names: usize },
    /// Offsets of 4 bytes, addresses from `text`.
    Relative { count: usize, functions: usize, names: usize, text: u64 },
}

impl Table {
    pub fn of(code: &Code) -> Result<Table, &'static str> {
        let image = code.image;
        let (data, address) = match image.section_ending(".gopclntab") {
            Some(section) => (image.contents(section), section.address),
            None => find(code).ok_or("its table of functions was not found")?,
        };
        let data = data.ok_or("its table of functions is not in the file")?;
        let layout = layout(code, &data, address).ok_or("its table of functions has an unknown layout")?;
        Ok(Table { data, layout })
    }

    /// Functions whose names begin with one of these.
    pub fn functions(&self, beginnings: &[&str]) -> HashMap<String, Symbol> {
        let wanted = self.name_offsets(beginnings);
        let mut found = HashMap::new();
        if wanted.is_empty() {
            return found;
        }
        for index in 0..self.count() {
            let Some((address, record)) = self.entry(index) else { break };
            let Some(name) = self.name_offset(record).and_then(|offset| wanted.get(&offset)) else { continue };
            let end = self.entry(index + 1).map_or(address, |(end, _)| end);
            found.insert(name.clone(), Symbol { address, size: end.saturating_sub(address) });
        }
        found
    }

    /// Where in the table of names the names are that begin so: the table itself is searched, which is quicker than to
    /// ask each function for its name.
    fn name_offsets(&self, beginnings: &[&str]) -> HashMap<usize, String> {
        let from = match self.layout {
            Layout::Words { names, .. } | Layout::Relative { names, .. } => names,
        };
        let names = self.data.get(from..).unwrap_or_default();
        let mut offsets = HashMap::new();
        for beginning in beginnings {
            // Names follow one another, each with a NUL behind it; the table begins with one.
            for at in memmem::find_iter(names, beginning).take(MOST_NAMES) {
                let is_beginning = at == 0 || names.get(at - 1) == Some(&0);
                let rest = names.get(at..).unwrap_or_default();
                let end = memchr::memchr(0, rest).unwrap_or(0);
                if let Some(name) = rest.get(..end).filter(|name| is_beginning && !name.is_empty()) {
                    offsets.insert(at, String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        offsets
    }

    fn count(&self) -> usize {
        match self.layout {
            Layout::Words { count, .. } | Layout::Relative { count, .. } => count,
        }
    }

    /// Address of a function, and where its record is.
    fn entry(&self, index: usize) -> Option<(u64, usize)> {
        match self.layout {
            Layout::Words { functions, base, .. } => {
                let at = functions.checked_add(index.checked_mul(16)?)?;
                let record = usize::try_from(word(&self.data, at.checked_add(8)?)?).ok()?;
                Some((word(&self.data, at)?, base.checked_add(record)?))
            }
            Layout::Relative { functions, text, .. } => {
                let at = functions.checked_add(index.checked_mul(8)?)?;
                let record = half(&self.data, at.checked_add(4)?)? as usize;
                Some((text.checked_add(half(&self.data, at)?.into())?, functions.checked_add(record)?))
            }
        }
    }

    /// In the record: behind the address.
    fn name_offset(&self, record: usize) -> Option<usize> {
        let at = match self.layout {
            Layout::Words { .. } => record.checked_add(8)?,
            Layout::Relative { .. } => record.checked_add(4)?,
        };
        Some(half(&self.data, at)? as usize)
    }
}

fn layout(code: &Code, data: &[u8], address: u64) -> Option<Layout> {
    // Magic, two zeros, unit of instructions 1 (x86), 8 bytes to a pointer.
    if data.get(4..8)? != [0, 0, 1, 8] {
        return None;
    }
    let field = |index: usize| usize::try_from(word(data, 8 + 8 * index)?).ok();
    // The table ends with an address alone, so that each function has a next.
    match half(data, 0)? {
        MAGIC_1_2 => Some(Layout::Words { count: field(0)?, functions: 16, base: 0, names: 0 }),
        MAGIC_1_16 => Some(Layout::Words { count: field(0)?, functions: field(6)?, base: field(6)?, names: field(2)? }),
        MAGIC_1_18 | MAGIC_1_20 => {
            let start = address.checked_add(24)?;
            let text = code.relocations.address_at(code.image, start).or_else(|| text(code))?;
            Some(Layout::Relative { count: field(0)?, functions: field(7)?, names: field(3)?, text })
        }
        _ => None,
    }
}

/// Since 1.26 the header does not say where the text begins, the module data does.
fn text(code: &Code) -> Option<u64> {
    let module = code.image.section(".go.module").and_then(|section| section.address.checked_add(MODULE_TEXT));
    module
        .and_then(|at| code.relocations.address_at(code.image, at))
        .or_else(|| code.image.section(".text").map(|section| section.address))
}

/// Where the linker has put the table into another section, its beginning gives it away.
fn find(code: &Code) -> Option<(Option<Vec<u8>>, u64)> {
    for name in [".data.rel.ro", ".rodata"] {
        let Some(section) = code.image.section(name) else { continue };
        let Some(data) = code.image.contents(section) else { continue };
        for magic in [MAGIC_1_20, MAGIC_1_18, MAGIC_1_16, MAGIC_1_2] {
            let mut beginning = magic.to_le_bytes().to_vec();
            beginning.extend([0, 0, 1, 8]);
            let aligned = memmem::find_iter(&data, &beginning).find(|at| at % 8 == 0);
            if let Some(at) = aligned {
                let address = section.address.checked_add(at as u64)?;
                return Some((data.get(at..).map(<[u8]>::to_vec), address));
            }
        }
    }
    None
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn half(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
