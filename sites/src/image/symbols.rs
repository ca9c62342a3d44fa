//! Functions by name, from `.symtab` and `.dynsym` in one pass each.

use std::collections::HashMap;

use object::elf;
use object::pod;
use object::LittleEndian as Le;

use super::{string_at, Image, Section};

/// A function that the file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub address: u64,
    /// 0 where the table does not say.
    pub size: u64,
}

/// Functions that the file defines, by name without version.
pub(crate) type Symbols = HashMap<String, Symbol>;

impl Image {
    /// Functions whose name the filter wants. The filter is asked for each symbol of the file: it must be quick.
    pub fn functions(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Symbols {
        let mut found = Symbols::new();
        for kind in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
            if let Some(table) = self.section_of_kind(kind.0) {
                self.each_function(table, |name, symbol| {
                    if is_wanted(name) {
                        let name = name.split(|&byte| byte == b'@').next().unwrap_or_default();
                        found.insert(String::from_utf8_lossy(name).into_owned(), symbol);
                    }
                });
            }
        }
        found
    }

    fn each_function(&self, table: &Section, mut visit: impl FnMut(&[u8], Symbol)) {
        let Some(names) = self.section_at(table.link).and_then(|names| self.contents(names)) else { return };
        let Some(bytes) = self.contents(table) else { return };
        let whole = bytes.len() - bytes.len() % size_of::<elf::Sym64<Le>>();
        let Ok(symbols) = pod::slice_from_all_bytes::<elf::Sym64<Le>>(bytes.get(..whole).unwrap_or_default()) else {
            return;
        };
        for symbol in symbols {
            let kind = symbol.st_info.0 & 0xf;
            let is_function = kind == elf::STT_FUNC.0 || kind == elf::STT_NOTYPE.0;
            if !is_function || symbol.st_shndx.get(Le) == elf::SHN_UNDEF {
                continue;
            }
            let address = symbol.st_value.get(Le);
            let name = string_at(&names, symbol.st_name.get(Le) as usize);
            if !name.is_empty() && self.is_code(address) {
                visit(name, Symbol { address, size: symbol.st_size.get(Le) });
            }
        }
    }
}
