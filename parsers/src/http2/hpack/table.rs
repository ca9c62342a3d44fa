//! Static and dynamic table (RFC 7541 §2.3).
//!
//! The static table is that of `httlib-hpack`. The dynamic one is ours: no crate's table can have entries of which only the
//! place is known, and none leaves out what nobody will ask for. Indexes count from the newest entry, so evictions change none
//! of them, and an entry added since we know the table is found however much lies beyond it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, LazyLock};

use crate::http2::names::{Known, Name};
use crate::http2::Text;

/// Size of a table until its encoder says otherwise (RFC 9113 §6.5.2).
const DEFAULT_BYTES: u32 = 4096;

/// Most that is kept of a table (RFC 7541 §4.1 counts it): what browsers announce. Entries beyond are unknown.
pub(super) const TABLE_BYTES: u32 = 64 * 1024;

/// Most that is kept of a table whose size is not known: there may be many old connections, and few tables are larger.
const UNKNOWN_TABLE_BYTES: u32 = 16 * 1024;

/// What every entry costs beside its text (RFC 7541 §4.1).
const ENTRY_BYTES: u32 = 32;

/// First index of the dynamic table.
const DYNAMIC: u32 = 62;

#[derive(Debug)]
pub(super) struct StaticEntry {
    pub name: Box<[u8]>,
    pub known: Known,
    pub value: Text,
}

static STATIC: LazyLock<Vec<StaticEntry>> = LazyLock::new(|| {
    let table = httlib_hpack::table::Table::with_dynamic_size(0);
    let entry = |index| {
        let (name, value) = table.get(index)?;
        Some(StaticEntry {
            name: name.into(),
            known: Known::of(name),
            value: Arc::from(std::str::from_utf8(value).ok()?),
        })
    };
    (1..DYNAMIC).map_while(entry).collect()
});

/// A header field as far as it matters.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: Name,
    pub name_bytes: u32,
    value_bytes: u32,
    /// Of the value, so that it can be known again; 0 in a table that is whole.
    hash: u32,
    /// Of a header that nobody asks for, nothing.
    pub value: Option<Text>,
}

impl Entry {
    pub(super) fn new(name: Name, name_bytes: usize, value_bytes: usize, value: Option<Text>) -> Entry {
        Entry { name, name_bytes: name_bytes as u32, value_bytes: value_bytes as u32, hash: 0, value }
    }

    /// As it can be compared with what somebody else knows of the table.
    pub(super) fn with_hash(self, value: &[u8]) -> Entry {
        let mut hasher = DefaultHasher::new();
        hasher.write(value);
        Entry { hash: hasher.finish() as u32, ..self }
    }

    /// Whether it may be this one: of an entry whose name is unknown the value decides.
    fn may_be(&self, other: &Entry) -> bool {
        let is_named = self.name.known == Known::Unknown
            || (self.name, self.name_bytes) == (other.name, other.name_bytes) && self.value == other.value;
        is_named && (self.value_bytes, self.hash) == (other.value_bytes, other.hash)
    }

    fn bytes(&self) -> u32 {
        self.name_bytes.saturating_add(self.value_bytes).saturating_add(ENTRY_BYTES)
    }
}

/// What an index names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Static(&'static StaticEntry),
    Dynamic(&'a Entry),
    /// An entry that was added before we knew the table.
    Unknown,
    /// There is no such entry: the table is not what we take it for.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    bytes: u32,
    /// `None`: not known.
    size: Option<u32>,
    /// No entry is older than those we have.
    is_whole: bool,
    /// Entries since we know the table; those that are older and were told come behind them.
    added: usize,
    is_told: bool,
}

impl Table {
    /// Of a connection seen from its beginning.
    pub(super) fn empty() -> Table {
        Table {
            entries: VecDeque::new(),
            bytes: 0,
            size: Some(DEFAULT_BYTES),
            is_whole: true,
            added: 0,
            is_told: false,
        }
    }

    /// Whatever is in it, and its size, is not known.
    pub(super) fn unknown() -> Table {
        Table { size: None, is_whole: false, ..Table::empty() }
    }

    #[inline]
    pub(super) fn find(&self, index: u32) -> Found<'_> {
        let Some(place) = index.checked_sub(DYNAMIC) else {
            let place = (index as usize).wrapping_sub(1);
            return STATIC.get(place).map_or(Found::Nothing, Found::Static);
        };
        match self.entries.get(place as usize) {
            Some(entry) => Found::Dynamic(entry),
            None if self.is_whole => Found::Nothing,
            None => Found::Unknown,
        }
    }

    /// RFC 7541 §4.4: room is made first, and an entry larger than the table only empties it.
    ///
    /// The name of an entry may be unknown and then counts nothing, so what is evicted here was evicted by the encoder before.
    #[inline]
    pub(super) fn add(&mut self, entry: Entry) {
        let bytes = entry.bytes();
        let most = self.most();
        self.added = self.added.saturating_add(1);
        if bytes > most {
            self.evict_to(0);
        } else {
            self.evict_to(most - bytes);
            self.bytes += bytes;
            self.entries.push_front(entry);
        }
        self.settle();
    }

    /// Entries may be there that we do not know, and could be told.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        !self.is_whole && !self.is_told
    }

    pub(super) fn added(&self) -> usize {
        self.added
    }

    /// How many entries we had added when the table was `told`, the newest first: all numbers that fit, but 0 only where
    /// no other does, for it always would. None once entries were evicted: then nothing can be counted.
    pub(super) fn fits(&self, told: &[Entry]) -> Vec<usize> {
        if !self.is_open() || self.entries.len() != self.added {
            return Vec::new();
        }
        let fits = |added: usize| {
            let ours = self.entries.range(self.added - added..);
            told.len() > added && ours.zip(told).all(|(ours, told)| ours.may_be(told))
        };
        let found: Vec<usize> = (1..=self.added).filter(|added| fits(*added)).collect();
        if found.is_empty() && !told.is_empty() {
            return vec![0];
        }
        found
    }

    /// The table as it was when we had added so many entries. What follows from it for those added since is left.
    pub(super) fn tell(&mut self, added: usize, told: Vec<Entry>) {
        if !self.is_open() || self.entries.len() != self.added || added > self.added {
            return;
        }
        self.is_told = true;
        self.entries.truncate(self.added - added);
        self.bytes = self.entries.iter().map(Entry::bytes).sum();
        for entry in told {
            // Index by index: behind one that has no room here none may follow.
            if self.bytes.saturating_add(entry.bytes()) > self.most() {
                break;
            }
            self.bytes += entry.bytes();
            self.entries.push_back(entry);
        }
    }

    /// A size update of the encoder (RFC 7541 §6.3). That the receiver's SETTINGS allow it is between the two: an encoder must
    /// say every change, also the one by which it follows SETTINGS (RFC 7541 §4.2).
    pub(super) fn resize(&mut self, size: u32) {
        self.size = Some(size);
        self.evict_to(self.most());
        self.settle();
    }

    fn most(&self) -> u32 {
        self.size.map_or(UNKNOWN_TABLE_BYTES, |size| size.min(TABLE_BYTES))
    }

    #[inline]
    fn evict_to(&mut self, bytes: u32) {
        while self.bytes > bytes {
            let Some(oldest) = self.entries.pop_back() else {
                return;
            };
            self.bytes -= oldest.bytes();
            // What we drop for our own sake the encoder may still refer to.
            self.is_whole &= self.size.is_some_and(|size| size <= TABLE_BYTES);
        }
    }

    /// Where no further entry has room none is unknown.
    #[inline]
    fn settle(&mut self) {
        self.is_whole |= self.size.is_some_and(|size| size <= TABLE_BYTES && self.bytes + ENTRY_BYTES > size);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry::new(Name::UNKNOWN, 0, bytes - 32, None)
    }

    fn is_unknown(table: &Table, index: u32) -> bool {
        matches!(table.find(index), Found::Unknown)
    }

    fn is_nothing(table: &Table, index: u32) -> bool {
        matches!(table.find(index), Found::Nothing)
    }

    /// RFC 7541 appendix A has 61 entries, and there is none at 0.
    #[test]
    fn static_table_is_complete() {
        assert_eq!(STATIC.len(), 61);
        let table = Table::empty();
        assert!(matches!(table.find(2), Found::Static(entry) if &*entry.name == b":method" && &*entry.value == "GET"));
        assert!(matches!(table.find(61), Found::Static(entry) if &*entry.name == b"www-authenticate"));
        assert!(is_nothing(&table, 0) && is_nothing(&table, 62) && is_nothing(&table, u32::MAX));
    }

    /// RFC 7541 §4.3 and §4.4.
    #[test]
    fn the_oldest_entries_are_evicted() {
        let mut table = Table::empty();
        (0..200).for_each(|_| table.add(entry(41)));
        assert_eq!((table.entries.len(), table.bytes()), (99, 99 * 41));
        table.resize(100);
        assert_eq!((table.entries.len(), table.bytes()), (2, 82));
        table.add(entry(101));
        assert_eq!((table.entries.len(), table.bytes()), (0, 0));
        table.resize(5000);
        table.add(entry(5000));
        assert_eq!(table.bytes(), 5000);
    }

    #[test]
    fn entries_older_than_us_are_unknown_until_there_is_no_room_for_them() {
        let mut table = Table::unknown();
        assert!(is_unknown(&table, 62));
        table.add(entry(100));
        assert!(matches!(table.find(62), Found::Dynamic(_)) && is_unknown(&table, 63));
        table.resize(4096);
        assert!(is_unknown(&table, 63));
        (0..39).for_each(|_| table.add(entry(100)));
        assert!(is_unknown(&table, 62 + 40), "96 bytes are left");
        table.add(entry(70));
        assert!(is_nothing(&table, 62 + 41), "26 bytes are left");
        let mut table = Table::unknown();
        table.resize(0);
        table.resize(4096);
        assert!(is_nothing(&table, 62));
    }

    /// A table larger than what we keep: its older entries are there, only not here.
    #[test]
    fn what_is_dropped_for_our_own_ceiling_is_unknown() {
        let mut table = Table::empty();
        table.resize(2 * TABLE_BYTES);
        (0..2).for_each(|_| table.add(entry(40_000)));
        assert!(matches!(table.find(62), Found::Dynamic(_)) && is_unknown(&table, 63));
        let mut table = Table::unknown();
        (0..10_000).for_each(|_| table.add(entry(33)));
        assert!(table.bytes() <= UNKNOWN_TABLE_BYTES && is_unknown(&table, 62 + 9999));
    }
}
