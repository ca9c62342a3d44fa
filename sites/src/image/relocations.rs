//! What the loader will put where: which function a PLT stub calls, which function a table of pointers names.

use std::collections::HashMap;

use memchr::memmem;
use object::elf;
use object::pod;
use object::LittleEndian as Le;

use super::{string_at, Image};

#[derive(Default)]
pub(crate) struct Relocations {
    /// Address of the word → name of the symbol whose address comes there.
    names: HashMap<u64, String>,
    /// Address of the word → address that comes there.
    addresses: HashMap<u64, u64>,
}

impl Relocations {
    /// Reads `.rela.dyn` and `.rela.plt`. `.relr.dyn` needs no reading: its addresses stand in the words themselves.
    pub fn of(image: &Image) -> Relocations {
        let mut relocations = Relocations::default();
        let symbols = image.section_of_kind(elf::SHT_DYNSYM.0);
        let names = symbols.and_then(|table| image.contents(image.section_at(table.link)?)).unwrap_or_default();
        let symbols = symbols.and_then(|table| image.contents(table)).unwrap_or_default();
        for section in [".rela.plt", ".rela.dyn"] {
            let Some(bytes) = image.section(section).and_then(|section| image.contents(section)) else { continue };
            let whole = bytes.len() - bytes.len() % size_of::<elf::Rela64<Le>>();
            let Ok(entries) = pod::slice_from_all_bytes::<elf::Rela64<Le>>(bytes.get(..whole).unwrap_or_default())
            else {
                continue;
            };
            for entry in entries {
                relocations.add(entry, &symbols, &names);
            }
        }
        relocations
    }

    fn add(&mut self, entry: &elf::Rela64<Le>, symbols: &[u8], names: &[u8]) {
        let at = entry.r_offset.get(Le);
        let info = entry.r_info.get(Le);
        let symbol = (info >> 32) as usize;
        if symbol == 0 {
            // R_X86_64_RELATIVE and its like: base + addend.
            self.addresses.insert(at, entry.r_addend.get(Le).cast_unsigned());
            return;
        }
        let size = size_of::<elf::Sym64<Le>>();
        let Some(symbol) = symbols.get(symbol.saturating_mul(size)..) else { return };
        let Ok((symbol, _)) = pod::from_bytes::<elf::Sym64<Le>>(symbol) else { return };
        if symbol.st_shndx.get(Le) != elf::SHN_UNDEF {
            self.addresses.insert(at, symbol.st_value.get(Le).wrapping_add_signed(entry.r_addend.get(Le)));
        }
        let name = string_at(names, symbol.st_name.get(Le) as usize);
        self.names.insert(at, String::from_utf8_lossy(name).into_owned());
    }

    /// The symbol whose address the loader puts there.
    pub fn name_at(&self, address: u64) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }

    /// Words that will hold this address: by relocation, or in a file with fixed addresses by what stands in its data.
    pub fn places_of(&self, image: &Image, target: u64) -> Vec<u64> {
        let mut places: Vec<u64> =
            self.addresses.iter().filter(|(_, &value)| value == target).map(|(&at, _)| at).collect();
        let needle = target.to_le_bytes();
        for name in [".data.rel.ro", ".rodata", ".data"] {
            let Some(section) = image.section(name) else { continue };
            let Some(data) = image.contents(section) else { continue };
            let words = memmem::find_iter(&data, &needle).filter(|at| at % 8 == 0);
            places.extend(words.filter_map(|at| section.address.checked_add(at as u64)));
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The address of this file that the loader puts there, or that stands there already.
    pub fn address_at(&self, image: &Image, address: u64) -> Option<u64> {
        match self.addresses.get(&address) {
            Some(&value) => Some(value),
            None if self.names.contains_key(&address) => None,
            None => image.word_at(address).filter(|&value| value != 0),
        }
    }
}
