//! One file of frames: appended to, read from the front, cut behind its last whole frame when it is found again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::{self, Head, HEAD_BYTES};

/// Of the file; the spool's account of it.
#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    file: File,
    /// Sequence of the last frame.
    pub last: u64,
    /// Sequence of the frame that is read next; of the one before if there is none.
    pub next: u64,
    /// End of the last whole frame.
    pub end: u64,
    read: u64,
    /// When the first and the last frame were written.
    pub first_ms: u64,
    pub last_ms: u64,
    pub unread_records: u64,
    /// Frames that were read and not settled.
    pub outstanding: usize,
    pub is_damaged: bool,
}

/// What [`Segment::read`] finds.
#[derive(Debug)]
pub enum Read {
    Frame {
        offset: u64,
        sequence: u64,
        records: u32,
        content: Vec<u8>,
    },
    /// So many records cannot be read.
    Damaged(u64),
    /// Nothing is left.
    End,
}

/// What was found in a file of a former run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// In frames of which the head is intact.
    pub records: u64,
    /// Bytes of an unfinished write that were cut off.
    pub torn_bytes: u64,
    /// Bytes that no intact head accounts for: their records are not known.
    pub unknown_bytes: u64,
}

impl Segment {
    /// A new file that only its owner may read.
    pub fn create(path: PathBuf) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Segment::of(path, file))
    }

    fn of(path: PathBuf, file: File) -> Segment {
        Segment {
            path,
            file,
            last: 0,
            next: 0,
            end: 0,
            read: 0,
            first_ms: 0,
            last_ms: 0,
            unread_records: 0,
            outstanding: 0,
            is_damaged: false,
        }
    }

    /// Takes over a file of a former run: walks all its frames, and cuts off what was not finished.
    pub fn open(path: &Path) -> io::Result<(Segment, Scan)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let (mut segment, mut scan) = (Segment::of(path.to_owned(), file), Scan::default());
        while let Some(head) = segment.head_at(segment.end)? {
            if segment.end + head.frame_bytes() > length {
                break;
            }
            segment.count(&head);
            scan.records += u64::from(head.records);
        }
        let rest = length - segment.end;
        if rest > 0 {
            if segment.is_torn(length)? {
                segment.file.set_len(segment.end)?;
                scan.torn_bytes = rest;
            } else {
                segment.is_damaged = true;
                scan.unknown_bytes = rest;
            }
        }
        segment.next = segment.head_at(0)?.map_or(0, |head| head.sequence);
        Ok((segment, scan))
    }

    /// Whether what is behind the last whole frame is the begin of one, or what a file system leaves of an unfinished
    /// write: zeros.
    fn is_torn(&self, length: u64) -> io::Result<bool> {
        if self.head_at(self.end)?.is_some() || length - self.end < HEAD_BYTES as u64 {
            return Ok(true);
        }
        let mut rest = vec![0; usize::try_from(length - self.end).unwrap_or(usize::MAX).min(frame::MOST_CONTENT)];
        self.file.read_exact_at(&mut rest, self.end)?;
        Ok(rest.iter().all(|byte| *byte == 0))
    }

    fn count(&mut self, head: &Head) {
        if self.end == 0 {
            (self.next, self.first_ms) = (head.sequence, head.written_ms);
        }
        self.end += head.frame_bytes();
        (self.last, self.last_ms) = (head.sequence, head.written_ms);
        self.unread_records += u64::from(head.records);
    }

    fn head_at(&self, offset: u64) -> io::Result<Option<Head>> {
        let mut bytes = [0; HEAD_BYTES];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(Head::read(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Appends a frame. After an error the file is as before, or its rest is cut off when it is opened again.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let head = frame.first_chunk().and_then(Head::read).ok_or(io::ErrorKind::InvalidInput)?;
        if let Err(error) = self.file.write_all_at(frame, self.end) {
            // Room for those that need it more; a file that cannot be cut is read up to `end` only.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        let was_read = self.is_read();
        self.count(&head);
        if was_read {
            self.next = head.sequence;
        }
        Ok(())
    }

    /// To the disk: what was written survives a loss of power from here on.
    pub fn sync(&self) {
        // A disk that cannot do it will tell at the next write.
        let _ = self.file.sync_data();
    }

    pub fn is_read(&self) -> bool {
        self.read >= self.end
    }

    /// The next frame.
    pub fn read(&mut self) -> io::Result<Read> {
        if self.is_read() {
            return Ok(Read::End);
        }
        let offset = self.read;
        let Some(head) = self.head_at(offset)? else {
            // Was intact when it was written or found: nothing behind it can be told apart any more.
            self.is_damaged = true;
            return Ok(Read::Damaged(self.give_up()));
        };
        let mut stored = vec![0; head.stored_bytes as usize];
        self.file.read_exact_at(&mut stored, offset + HEAD_BYTES as u64)?;
        self.read += head.frame_bytes();
        self.unread_records = self.unread_records.saturating_sub(u64::from(head.records));
        if !self.is_read() {
            self.next = self.head_at(self.read)?.map_or(head.sequence, |next| next.sequence);
        }
        let Some(content) = head.content(&stored) else {
            self.is_damaged = true;
            return Ok(Read::Damaged(u64::from(head.records)));
        };
        self.outstanding += 1;
        Ok(Read::Frame { offset, sequence: head.sequence, records: head.records, content })
    }

    /// Reads no further; the records that are left.
    pub fn give_up(&mut self) -> u64 {
        self.read = self.end;
        std::mem::take(&mut self.unread_records)
    }
}
