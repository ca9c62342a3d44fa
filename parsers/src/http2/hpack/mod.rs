//! Header blocks (RFC 7541), decoded as far as an observer can: from whole tables, and from tables that were there before.
//!
//! Only values that somebody asks for become text. The others are measured, since the size of the dynamic table depends on
//! them, and forgotten.

mod huffman;
mod integer;
mod table;

use std::collections::VecDeque;

use integer::{Literal, Reader, Unreadable};
use table::{Entry, Found, Table};

use super::names::{Known, Name};
use super::Text;
use crate::limits::KeepHeaders;
use crate::text::shared;

/// Scratch space kept between blocks; a larger one is given back.
const SCRATCH_BYTES: usize = 1024;

/// Blocks that are remembered while somebody may tell the table, and the longest of them. Between a block and what is told of
/// it lie a few others at most.
const RECENT_BLOCKS: usize = 8;
const RECENT_BYTES: usize = 512;

/// A block, and how many entries had been added before it.
#[derive(Debug)]
struct Recent {
    block: Box<[u8]>,
    added: usize,
}

/// A value, on its way to whoever wants it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Stands in a table.
    Shared(&'a Text),
    Raw(&'a [u8]),
}

impl Value<'_> {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Value::Shared(text) => text.as_bytes(),
            Value::Raw(bytes) => bytes,
        }
    }

    #[inline]
    pub(super) fn text(&self) -> Text {
        match self {
            Value::Shared(text) => Text::clone(text),
            Value::Raw(bytes) => shared(bytes),
        }
    }
}

/// Whoever is told the fields of a block.
pub(super) trait Fields {
    /// A field whose name is wanted.
    fn field(&mut self, name: Name, value: Value<'_>);

    /// A field of which name or value depends on what is not known of the table.
    fn unknown_field(&mut self);
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// Within a field.
    Cut,
    /// No encoder writes that, or not in step with this table. The table is unknown from here on.
    Malformed,
}

/// The decoder of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    name: Vec<u8>,
    value: Vec<u8>,
    /// The last blocks, the newest last, from the first one on that referred to an unknown entry.
    recent: VecDeque<Recent>,
    lacks_entries: bool,
    /// The table when so many entries had been added. Counts from the next block on: that it comes without a gap says
    /// that nothing was missed before.
    told: Option<(usize, Vec<Entry>)>,
}

impl Decoder {
    /// Of a direction seen from its first byte on.
    pub(super) fn new() -> Decoder {
        Decoder {
            table: Table::empty(),
            name: Vec::new(),
            value: Vec::new(),
            recent: VecDeque::new(),
            lacks_entries: false,
            told: None,
        }
    }

    /// Blocks were missed: what the table holds is unknown.
    pub(super) fn forget(&mut self) {
        self.table = Table::unknown();
        (self.recent, self.told, self.lacks_entries) = (VecDeque::new(), None, false);
    }

    /// Somebody has seen the table, the newest entry first, right before `block`. Believed only if the block is known, and
    /// if there is one way alone in which the entries that we know are among those.
    pub(super) fn tell(&mut self, block: &[u8], entries: &[(&[u8], &[u8])], keep: &KeepHeaders) -> bool {
        if !self.table.is_open() || self.told.is_some() {
            return false;
        }
        let entries: Vec<Entry> = entries
            .iter()
            .map(|(name, value)| {
                let (known, bytes) = (Name::new(name, keep), name.len());
                let text = known.is_wanted().then(|| shared(value));
                Entry::new(known, bytes, value.len(), text).with_hash(value)
            })
            .collect();
        let [added] = self.table.fits(&entries)[..] else {
            return false;
        };
        let mut places = self.recent.iter().filter(|recent| *recent.block == *block).map(|recent| recent.added);
        let is_known = places.any(|place| place == added);
        if is_known {
            self.told = Some((added, entries));
        }
        is_known
    }

    fn remember(&mut self, block: &[u8]) {
        if let Some((added, entries)) = self.told.take() {
            self.table.tell(added, entries);
        }
        if !self.table.is_open() {
            (self.recent, self.lacks_entries) = (VecDeque::new(), false);
            return;
        }
        if self.recent.len() >= RECENT_BLOCKS {
            self.recent.pop_front();
        }
        if block.len() <= RECENT_BYTES {
            self.recent.push_back(Recent { block: block.into(), added: self.table.added() });
        }
    }

    /// Decodes a block, or what is there of one. Unless the end is [`End::Whole`] the table is unknown afterwards.
    pub(super) fn decode(&mut self, block: &[u8], keep: &KeepHeaders, fields: &mut impl Fields) -> End {
        if self.lacks_entries {
            self.remember(block);
        }
        let mut reader = Reader::new(block);
        let mut has_fields = false;
        while let Some(first) = reader.peek() {
            let done = match first {
                0x80.. => self.indexed(&mut reader, keep, fields),
                0x40..=0x7f => self.literal(&mut reader, 6, true, keep, fields),
                0x20..=0x3f if has_fields => Err(Unreadable::Malformed),
                0x20..=0x3f => reader.integer(5).map(|size| self.table.resize(size)),
                0..=0x1f => self.literal(&mut reader, 4, false, keep, fields),
            };
            has_fields |= !matches!(first, 0x20..=0x3f);
            if let Err(unreadable) = done {
                self.forget();
                return if unreadable == Unreadable::Cut { End::Cut } else { End::Malformed };
            }
        }
        End::Whole
    }

    /// RFC 7541 §6.1.
    #[inline]
    fn indexed(
        &mut self,
        reader: &mut Reader<'_>,
        keep: &KeepHeaders,
        fields: &mut impl Fields,
    ) -> Result<(), Unreadable> {
        match self.table.find(reader.integer(7)?) {
            Found::Static(entry) => {
                let name = Name::with_known(entry.known, &entry.name, keep);
                if name.is_wanted() {
                    fields.field(name, Value::Shared(&entry.value));
                }
            }
            Found::Dynamic(entry) => match &entry.value {
                _ if entry.name.known == Known::Unknown => fields.unknown_field(),
                Some(value) => fields.field(entry.name, Value::Shared(value)),
                None => {}
            },
            Found::Unknown => {
                self.lacks_entries = true;
                fields.unknown_field();
            }
            Found::Nothing => return Err(Unreadable::Malformed),
        }
        Ok(())
    }

    /// RFC 7541 §6.2.
    fn literal(
        &mut self,
        reader: &mut Reader<'_>,
        prefix_bits: u32,
        is_added: bool,
        keep: &KeepHeaders,
        fields: &mut impl Fields,
    ) -> Result<(), Unreadable> {
        let (name, name_bytes) = self.name(reader, prefix_bits, keep)?;
        let value = reader.literal()?;
        if !is_added && !name.is_wanted() {
            if name.known == Known::Unknown {
                fields.unknown_field();
            }
            return Ok(());
        }
        let value = text(value, &mut self.value)?;
        let shared = (is_added && name.is_wanted()).then(|| shared(value));
        if name.known == Known::Unknown {
            fields.unknown_field();
        } else if name.is_wanted() {
            fields.field(name, shared.as_ref().map_or(Value::Raw(value), Value::Shared));
        }
        if is_added {
            let entry = Entry::new(name, name_bytes, value.len(), shared);
            self.table.add(if self.table.is_open() { entry.with_hash(value) } else { entry });
        }
        if self.value.capacity() > SCRATCH_BYTES {
            self.value = Vec::new();
        }
        Ok(())
    }

    /// The name of a literal and its length.
    #[inline]
    fn name(
        &mut self,
        reader: &mut Reader<'_>,
        prefix_bits: u32,
        keep: &KeepHeaders,
    ) -> Result<(Name, usize), Unreadable> {
        let index = reader.integer(prefix_bits)?;
        if index == 0 {
            let name = text(reader.literal()?, &mut self.name)?;
            let found = (Name::new(name, keep), name.len());
            if self.name.capacity() > SCRATCH_BYTES {
                self.name = Vec::new();
            }
            return Ok(found);
        }
        match self.table.find(index) {
            Found::Static(entry) => Ok((Name::with_known(entry.known, &entry.name, keep), entry.name.len())),
            Found::Dynamic(entry) => Ok((entry.name, entry.name_bytes as usize)),
            Found::Unknown => {
                self.lacks_entries = true;
                Ok((Name::UNKNOWN, 0))
            }
            Found::Nothing => Err(Unreadable::Malformed),
        }
    }
}

/// What a literal says, in the block or in `scratch`.
#[inline]
fn text<'a>(literal: Literal<'a>, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Unreadable> {
    if !literal.is_huffman {
        return Ok(literal.bytes);
    }
    scratch.clear();
    huffman::decode(literal.bytes, scratch).ok_or(Unreadable::Malformed)?;
    Ok(scratch)
}

#[cfg(test)]
mod tests;
