//! Lines appended to a file that is rotated: by size, by age, or by somebody else who renames it and says so.
//!
//! Written by a thread of its own, so that a disk that is slow or full holds nobody up. A line is in one file, once, and whole:
//! after a failed write the file is cut behind its last whole line, and the rest is tried again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// Bytes that wait for the disk; what is beyond is dropped and counted.
const WAITING_BYTES: usize = 32 << 20;

/// How long a failed write waits for its next attempt, and the most that a wish to reopen waits for a line.
const PACE: Duration = Duration::from_millis(200);

/// Where, and when it is rotated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    pub path: PathBuf,
    pub format: String,
    /// The file is rotated before it would become larger; 0: never for its size.
    pub rotate_bytes: u64,
    /// The file is rotated at this age; 0: never for its age.
    pub rotate_hours: f64,
    /// Rotated files that are kept: `path.1` is the youngest.
    pub keep: u32,
}

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileStats {
    pub path: String,
    pub written: u64,
    /// The disk did not take them and too much waited.
    pub dropped: u64,
    pub rotations: u64,
    /// Why nothing can be written at the moment.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    waiting_bytes: AtomicUsize,
    waiting_records: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    rotations: AtomicU64,
    error: Mutex<Option<String>>,
    is_reopen_asked: AtomicBool,
    /// Nothing more will come: what cannot be written by then is dropped.
    deadline: Mutex<Option<Instant>>,
}

/// What can be asked of the file from any thread.
#[derive(Clone, Debug)]
pub struct FileHandle(Arc<Shared>);

impl FileHandle {
    /// Opens the path anew before the next line.
    pub fn reopen(&self) {
        self.0.is_reopen_asked.store(true, Ordering::SeqCst);
    }

    pub fn stats(&self) -> FileStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FileStats {
            path: self.0.path.display().to_string(),
            written: read(&self.0.written),
            dropped: read(&self.0.dropped),
            rotations: read(&self.0.rotations),
            error: self.0.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Whole lines, and how many records they are.
#[derive(Debug, Default)]
pub struct Lines {
    pub bytes: Vec<u8>,
    pub records: u64,
}

/// The end that lines are given to.
#[derive(Debug)]
pub struct RotatingFile {
    shared: Arc<Shared>,
    queue: Option<Sender<Lines>>,
    thread: Option<JoinHandle<()>>,
}

impl RotatingFile {
    /// Opens the file and starts its thread.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn start(options: FileOptions) -> io::Result<RotatingFile> {
        let open = Open::new(&options.path)?;
        let shared = Arc::new(Shared {
            path: options.path.clone(),
            waiting_bytes: AtomicUsize::new(0),
            waiting_records: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            error: Mutex::new(None),
            is_reopen_asked: AtomicBool::new(false),
            deadline: Mutex::new(None),
        });
        let (queue, lines) = channel();
        let mut writer = Writer { shared: Arc::clone(&shared), options, open: Some(open) };
        let thread = std::thread::Builder::new().name("rover-file".to_owned()).spawn(move || writer.run(&lines))?;
        Ok(RotatingFile { shared, queue: Some(queue), thread: Some(thread) })
    }

    pub fn handle(&self) -> FileHandle {
        FileHandle(Arc::clone(&self.shared))
    }

    /// Whether too much waits already; the record is counted as dropped then.
    pub fn refuses(&self) -> bool {
        let is_full = self.shared.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES;
        self.shared.dropped.fetch_add(u64::from(is_full), Ordering::Relaxed);
        is_full
    }

    /// Never waits.
    pub fn write(&self, lines: Lines) {
        self.shared.waiting_bytes.fetch_add(lines.bytes.len(), Ordering::Relaxed);
        self.shared.waiting_records.fetch_add(lines.records, Ordering::Relaxed);
        let Some(queue) = &self.queue else { return };
        if let Err(unsent) = queue.send(lines) {
            self.shared.dropped.fetch_add(unsent.0.records, Ordering::Relaxed);
        }
    }

    /// Returns when all is written or the time is up; what is left then is counted as dropped.
    pub fn finish(&mut self, deadline: Instant) {
        *self.shared.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.queue = None;
        let Some(thread) = self.thread.take() else { return };
        // A disk that hangs keeps its thread.
        while !thread.is_finished() && Instant::now() < deadline + PACE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let left = self.shared.waiting_records.swap(0, Ordering::Relaxed);
        self.shared.dropped.fetch_add(left, Ordering::Relaxed);
    }
}

/// The file as it is open.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    since: SystemTime,
}

impl Open {
    fn new(path: &Path) -> io::Result<Open> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        let data = file.metadata()?;
        // The age of what is in it, across restarts; a file system that knows no birth tells the last write.
        let since = if data.size() == 0 { SystemTime::now() } else { data.created().or_else(|_| data.modified())? };
        Ok(Open { bytes: data.size(), file, since })
    }
}

struct Writer {
    shared: Arc<Shared>,
    options: FileOptions,
    open: Option<Open>,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Lines>) {
        loop {
            match queue.recv_timeout(PACE) {
                Ok(lines) => self.write(&lines),
                Err(RecvTimeoutError::Timeout) => {
                    self.maybe_reopen();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Until it is all written, or the end has come.
    fn write(&mut self, lines: &Lines) {
        let mut rest = lines.bytes.as_slice();
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(written) => {
                    self.tell(None);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) => {
                    self.tell(Some(error.to_string()));
                    let deadline = *self.shared.deadline.lock().unwrap_or_else(PoisonError::into_inner);
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return;
                    }
                    std::thread::sleep(PACE);
                }
            }
        }
        self.shared.waiting_bytes.fetch_sub(lines.bytes.len(), Ordering::Relaxed);
        self.shared.waiting_records.fetch_sub(lines.records, Ordering::Relaxed);
        self.shared.written.fetch_add(lines.records, Ordering::Relaxed);
    }

    /// Writes whole lines, as many as go into this file.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.maybe_reopen();
        self.rotate_if_due(bytes)?;
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::new(&self.options.path)?),
        };
        let room = match self.options.rotate_bytes {
            0 => usize::MAX,
            most => usize::try_from(most.saturating_sub(open.bytes)).unwrap_or(usize::MAX),
        };
        let fitting = whole_lines(bytes.get(..room).unwrap_or(bytes));
        // A line that is larger than a file is a file of its own.
        let fitting = if fitting == 0 { first_line(bytes) } else { fitting };
        let part = bytes.get(..fitting).unwrap_or(bytes);
        let mut done = 0;
        while let Some(left) = part.get(done..).filter(|left| !left.is_empty()) {
            match open.file.write(left) {
                Ok(0) => return open.cut(part, done, io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return open.cut(part, done, error),
            }
        }
        open.bytes += done as u64;
        Ok(done)
    }

    fn maybe_reopen(&mut self) {
        if self.shared.is_reopen_asked.swap(false, Ordering::SeqCst) {
            self.open = None;
            // At once, as who asked for it expects; tried again with the next line.
            self.open = Open::new(&self.options.path).ok();
        }
    }

    fn rotate_if_due(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(open) = self.open.as_ref().filter(|open| open.bytes > 0) else { return Ok(()) };
        let (most, hours) = (self.options.rotate_bytes, self.options.rotate_hours);
        let is_large = most > 0 && open.bytes + first_line(bytes) as u64 > most;
        let age = open.since.elapsed().unwrap_or_default();
        let is_old = hours > 0.0 && age.as_secs_f64() >= hours * 3600.0;
        if !is_large && !is_old {
            return Ok(());
        }
        let path = &self.options.path;
        for number in (1..self.options.keep).rev() {
            rename(&numbered(path, number), &numbered(path, number + 1))?;
        }
        if self.options.keep > 0 {
            rename(path, &numbered(path, 1))?;
        } else {
            fs::remove_file(path)?;
        }
        self.shared.rotations.fetch_add(1, Ordering::Relaxed);
        self.open = None;
        Ok(())
    }

    fn tell(&self, error: Option<String>) {
        *self.shared.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

impl Open {
    /// Takes back the begin of a line after a write that failed; how much of `part` is in the file then.
    fn cut(&mut self, part: &[u8], done: usize, error: io::Error) -> io::Result<usize> {
        let whole = whole_lines(part.get(..done).unwrap_or_default());
        if whole < done {
            self.file.set_len(self.bytes + whole as u64)?;
        }
        self.bytes += whole as u64;
        if whole == 0 {
            return Err(error);
        }
        Ok(whole)
    }
}

/// Bytes up to the end of the last whole line.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1)
}

/// Bytes of the first line with its end.
fn first_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |position| position + 1)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests;
