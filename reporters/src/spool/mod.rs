//! Records that wait on disk: a folder of segments, bounded in bytes and in age, read in the order of a sequence.
//!
//! A segment is a file of frames ([`frame`]), named by the sequence of its first. What was read stays on disk until it is
//! settled; a segment of which all was settled is removed. A file that ends in an unfinished write is cut; a damaged frame is
//! passed by, and its file set aside. Nothing here waits, starts a thread or knows what a record is.

mod frame;
mod segment;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use segment::{Read, Segment};

/// A segment is sealed when it has reached this size, or a share of the spool's bound. What was settled of a segment is
/// sent again after a crash, so large ones cost duplicates; small ones cost files.
const SEGMENT_BYTES: u64 = 4 << 20;
const SEGMENTS: u64 = 16;

/// A segment is sealed at this age, so that the bound in age is kept to about as much.
const SEGMENT_MS: u64 = 60_000;

const SUFFIX: &str = "spool";
/// Of files with damage: kept for whoever wants to look, as long as there is room.
const ASIDE: &str = "damaged";
const LOCK: &str = "lock";

/// Where, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolOptions {
    /// The folder, which is made if missing; its parent must be there or be makeable.
    pub path: PathBuf,
    /// Of all files together.
    pub most_bytes: u64,
    pub most_age_ms: u64,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId {
    segment: u64,
    offset: u64,
}

/// What came out of the spool.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    pub id: FrameId,
    pub sequence: u64,
    pub records: u32,
    pub content: Vec<u8>,
}

/// Records that are gone from the spool without having been settled, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    pub full: u64,
    pub expired: u64,
    pub corrupt: u64,
}

/// What was found of a former run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub records: u64,
    /// Segments with an unfinished write at their end.
    pub torn: u64,
}

/// Why a spool cannot be used.
#[derive(Debug)]
pub enum SpoolError {
    /// Another process has it.
    InUse(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolError::InUse(path) => write!(f, "{}: another process uses this folder", path.display()),
            SpoolError::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SpoolError {}

/// Why something was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// All that could be dropped is smaller, or being sent.
    NoRoom,
    Io(io::Error),
}

/// An open spool. Its folder is locked against other processes.
#[derive(Debug)]
pub struct Spool {
    options: SpoolOptions,
    segments: BTreeMap<u64, Segment>,
    /// The segment that is appended to.
    active: Option<u64>,
    /// Files with damage, oldest first.
    aside: Vec<(PathBuf, u64)>,
    losses: Losses,
    /// Segments that were set aside.
    pub damaged: u64,
    _lock: File,
}

impl Spool {
    /// Opens the folder and takes over what is in it. Reads every head, so it takes a while for a large one.
    ///
    /// # Errors
    /// Another process uses it, or it cannot be made, read or written.
    pub fn open(options: SpoolOptions) -> Result<(Spool, Recovered), SpoolError> {
        let failed = |error| SpoolError::Io(options.path.clone(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(&options.path).map_err(failed)?;
        fs::set_permissions(&options.path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = options.path.join(LOCK);
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock).map_err(failed)?;
        // SAFETY: the descriptor is that of an open file; the call takes nothing else.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let error = io::Error::last_os_error();
            let is_used = error.kind() == io::ErrorKind::WouldBlock;
            return Err(if is_used { SpoolError::InUse(options.path.clone()) } else { failed(error) });
        }
        let mut spool = Spool {
            segments: BTreeMap::new(),
            active: None,
            aside: Vec::new(),
            losses: Losses::default(),
            damaged: 0,
            _lock: lock,
            options,
        };
        let recovered = spool.take_over().map_err(|error| SpoolError::Io(spool.options.path.clone(), error))?;
        Ok((spool, recovered))
    }

    fn take_over(&mut self) -> io::Result<Recovered> {
        let mut recovered = Recovered::default();
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.options.path)? {
            paths.push(entry?.path());
        }
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(SUFFIX) => {}
                Some(ASIDE) => {
                    let bytes = fs::metadata(&path).map_or(0, |data| data.len());
                    self.aside.push((path, bytes));
                    continue;
                }
                _ => continue,
            }
            let Some(first) = number_of(&path) else { continue };
            let (segment, scan) = match Segment::open(&path) {
                Ok(found) => found,
                // One file that cannot be read is no reason to leave the others.
                Err(_) => {
                    self.set_aside(&path);
                    continue;
                }
            };
            recovered.records += scan.records;
            recovered.torn += u64::from(scan.torn_bytes > 0);
            self.segments.insert(first, segment);
            self.remove_if_done(first);
        }
        Ok(recovered)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        let aside: u64 = self.aside.iter().map(|(_, bytes)| bytes).sum();
        self.segments.values().map(|segment| segment.end).sum::<u64>() + aside
    }

    /// Sequence of what [`Spool::load`] gives next.
    pub fn maybe_next(&self) -> Option<u64> {
        self.segments.values().find(|segment| !segment.is_read()).map(|segment| segment.next)
    }

    /// Whether no segment is here: nothing to send, and nothing that could expire.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Losses since the last call.
    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// Appends a frame, dropping the oldest segments where that needs room.
    ///
    /// # Errors
    /// There is no room, or the disk does not take it: nothing was appended then.
    pub fn append(&mut self, sequence: u64, records: u32, content: &[u8], now_ms: u64) -> Result<(), AppendError> {
        let frame = frame::write(sequence, records, content, now_ms);
        self.make_room(frame.len() as u64)?;
        let number = self.segment_for(sequence, now_ms).map_err(AppendError::Io)?;
        let Some(segment) = self.segments.get_mut(&number) else { return Err(AppendError::NoRoom) };
        let appended = segment.append(&frame).map_err(AppendError::Io);
        if appended.is_err() && segment.end == 0 {
            self.remove(number);
        }
        appended
    }

    /// The segment to append to: the one at hand unless it is full, old, or not the place of this sequence.
    fn segment_for(&mut self, sequence: u64, now_ms: u64) -> io::Result<u64> {
        if let Some((number, segment)) = self.active.and_then(|number| Some((number, self.segments.get(&number)?))) {
            let is_full = segment.end >= self.segment_bytes() || now_ms.saturating_sub(segment.first_ms) >= SEGMENT_MS;
            let is_next = segment.last < sequence;
            let is_before_others = self.segments.range(number + 1..).next().is_none_or(|(first, _)| sequence < *first);
            if !is_full && is_next && is_before_others {
                return Ok(number);
            }
        }
        self.seal();
        let mut number = sequence;
        while self.segments.contains_key(&number) {
            number += 1;
        }
        let segment = Segment::create(self.options.path.join(format!("{number:020}.{SUFFIX}")))?;
        self.segments.insert(number, segment);
        self.active = Some(number);
        Ok(number)
    }

    fn segment_bytes(&self) -> u64 {
        (self.options.most_bytes / SEGMENTS).clamp(1, SEGMENT_BYTES)
    }

    /// What was appended so far is no longer appended to, and brought to the disk.
    pub fn seal(&mut self) {
        if let Some(segment) = self.active.take().and_then(|number| self.segments.get_mut(&number)) {
            segment.sync();
        }
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), AppendError> {
        while self.bytes() + bytes > self.options.most_bytes {
            if !self.aside.is_empty() {
                let (path, _) = self.aside.remove(0);
                // One that is gone already is as good.
                let _ = fs::remove_file(path);
                continue;
            }
            // What is being sent may be acknowledged any moment: it is not dropped.
            let oldest = self.segments.iter().find(|(_, segment)| segment.outstanding == 0);
            let Some(number) = oldest.map(|(number, _)| *number) else { return Err(AppendError::NoRoom) };
            self.losses.full += self.remove(number);
        }
        Ok(())
    }

    /// Drops what is older than the bound.
    pub fn expire(&mut self, now_ms: u64) {
        let least_ms = now_ms.saturating_sub(self.options.most_age_ms);
        let is_old = |segment: &Segment| segment.last_ms < least_ms && segment.outstanding == 0;
        let old: Vec<u64> = self.segments.iter().filter(|(_, one)| is_old(one)).map(|(number, _)| *number).collect();
        for number in old {
            self.losses.expired += self.remove(number);
        }
    }

    /// The next frame, in the order of the sequence; damaged ones are passed by and counted.
    pub fn load(&mut self) -> Option<Loaded> {
        loop {
            let (number, segment) = self.segments.iter_mut().find(|(_, segment)| !segment.is_read())?;
            let number = *number;
            match segment.read() {
                Ok(Read::Frame { offset, sequence, records, content }) => {
                    return Some(Loaded { id: FrameId { segment: number, offset }, sequence, records, content });
                }
                Ok(Read::Damaged(records)) => self.losses.corrupt += records,
                Ok(Read::End) => {}
                // A disk that does not give it back now will not later.
                Err(_) => {
                    segment.is_damaged = true;
                    self.losses.corrupt += segment.give_up();
                }
            }
            self.remove_if_done(number);
        }
    }

    /// A frame was delivered or given up: it need not be kept.
    pub fn settle(&mut self, id: FrameId) {
        if let Some(segment) = self.segments.get_mut(&id.segment) {
            segment.outstanding = segment.outstanding.saturating_sub(1);
            self.remove_if_done(id.segment);
        }
    }

    fn remove_if_done(&mut self, number: u64) {
        if self.segments.get(&number).is_some_and(|segment| segment.is_read() && segment.outstanding == 0) {
            self.remove(number);
        }
    }

    /// Takes a segment away; the records in it that were never read.
    fn remove(&mut self, number: u64) -> u64 {
        if self.active == Some(number) {
            self.active = None;
        }
        let Some(segment) = self.segments.remove(&number) else { return 0 };
        if segment.is_damaged {
            self.set_aside(&segment.path);
        } else {
            // Sent again after the next start if it cannot be removed: at least once.
            let _ = fs::remove_file(&segment.path);
        }
        segment.unread_records
    }

    fn set_aside(&mut self, path: &Path) {
        self.damaged += 1;
        let aside = path.with_extension(ASIDE);
        if fs::rename(path, &aside).is_ok() {
            let bytes = fs::metadata(&aside).map_or(0, |data| data.len());
            self.aside.push((aside, bytes));
        }
    }
}

/// Above all that a former run left in the folder, by the names of its files alone.
pub fn first_sequence(folder: &Path) -> u64 {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    // A segment has far fewer frames than this.
    names.filter_map(|entry| number_of(&entry.path())).max().map_or(0, |last| last.saturating_add(1 << 32))
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
