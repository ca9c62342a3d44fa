//! The raw event stream in a file: what the regression corpus consists of and what is attached to a bug report.
//!
//! Layout: the magic, then frames of `u32 length (little endian), u8 kind, body`. The first frame is the header, a JSON
//! object. Ticks and decisions are recorded with the events, so a replay gives the same records.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::event::without_rest;
use crate::hooks::Figures;
use crate::processes::Decision;

const MAGIC: &[u8; 8] = b"ROVEREC1";
/// A ring record cannot be larger than this.
const FRAME_BYTES: u32 = 1024 * 1024;

const HEADER: u8 = 0;
const EVENT: u8 = 1;
const TICK: u8 = 2;
const CONFIRM: u8 = 3;
const INTRODUCE: u8 = 4;
const COUNTERS: u8 = 5;

/// What a recording says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub rover: String,
    pub kernel: String,
    pub machine: String,
    /// Part of the record ids.
    pub run: u32,
    pub own_pid: u32,
    /// Layout of the events: a replay needs the same.
    pub event_bytes: [usize; 3],
    /// What the hooks of that run could fill in.
    #[serde(default)]
    pub figures: Figures,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Event(Vec<u8>),
    Tick { now_ns: u64, wall_offset_ns: u64 },
    Confirm(Box<Decision>),
    Introduce { pid: u32 },
    Counters { captured: u64, ring_full: u64, not_http: u64 },
}

/// Writes a recording, up to a bound.
pub struct Recorder {
    file: BufWriter<File>,
    left: u64,
    is_full: bool,
}

impl Recorder {
    /// # Errors
    /// What creating or writing the file says.
    pub fn create(path: &Path, header: &Header, most_bytes: u64) -> std::io::Result<Recorder> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(MAGIC)?;
        let mut recorder = Recorder { file, left: most_bytes, is_full: false };
        recorder.frame(HEADER, &[&serde_json::to_vec(header)?])?;
        Ok(recorder)
    }

    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// # Errors
    /// What writing says.
    pub fn event(&mut self, raw: &[u8]) -> std::io::Result<()> {
        self.frame(EVENT, &[without_rest(raw)])
    }

    /// # Errors
    /// What writing says.
    pub fn tick(&mut self, now_ns: u64, wall_offset_ns: u64) -> std::io::Result<()> {
        self.frame(TICK, &[&now_ns.to_le_bytes(), &wall_offset_ns.to_le_bytes()])
    }

    /// # Errors
    /// What writing says.
    pub fn confirm(&mut self, decision: &Decision) -> std::io::Result<()> {
        self.frame(CONFIRM, &[&serde_json::to_vec(decision)?])
    }

    /// # Errors
    /// What writing says.
    pub fn introduce(&mut self, pid: u32) -> std::io::Result<()> {
        self.frame(INTRODUCE, &[&pid.to_le_bytes()])
    }

    /// The kernel's own counts; whatever the bound, so that the ledger of a replay is whole.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self, captured: u64, ring_full: u64, not_http: u64) -> std::io::Result<()> {
        self.left = u64::MAX;
        self.is_full = false;
        self.frame(COUNTERS, &[&captured.to_le_bytes(), &ring_full.to_le_bytes(), &not_http.to_le_bytes()])?;
        self.file.flush()
    }

    fn frame(&mut self, kind: u8, parts: &[&[u8]]) -> std::io::Result<()> {
        let length: usize = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let size = length as u64 + 4;
        if self.is_full || size > self.left {
            self.is_full = true;
            return Ok(());
        }
        self.left -= size;
        self.file.write_all(&(length as u32).to_le_bytes())?;
        self.file.write_all(&[kind])?;
        for part in parts {
            self.file.write_all(part)?;
        }
        Ok(())
    }
}

/// Reads a recording.
pub struct Recording {
    file: BufReader<File>,
    pub header: Header,
}

/// Why a recording cannot be read.
#[derive(Debug)]
pub enum RecordingError {
    Io(std::io::Error),
    /// Not a recording, of another version, or damaged: why.
    Format(String),
}

impl std::fmt::Display for RecordingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordingError::Io(error) => write!(f, "{error}"),
            RecordingError::Format(reason) => f.write_str(reason),
        }
    }
}

impl From<std::io::Error> for RecordingError {
    fn from(error: std::io::Error) -> Self {
        RecordingError::Io(error)
    }
}

impl Recording {
    /// # Errors
    /// A file that cannot be read, or is no recording of this version.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut magic = [0; 8];
        if file.read_exact(&mut magic).is_err() || &magic != MAGIC {
            return Err(RecordingError::Format("not a recording of this version of rover".into()));
        }
        let mut recording = Recording { file, header: Header::default() };
        match recording.raw()? {
            Some((HEADER, body)) => {
                recording.header = serde_json::from_slice(&body)
                    .map_err(|error| RecordingError::Format(format!("header: {error}")))?;
            }
            _ => return Err(RecordingError::Format("the header is missing".into())),
        }
        Ok(recording)
    }

    fn raw(&mut self) -> Result<Option<(u8, Vec<u8>)>, RecordingError> {
        let mut length = [0; 4];
        match self.file.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let length = u32::from_le_bytes(length);
        if length == 0 || length > FRAME_BYTES {
            return Err(RecordingError::Format(format!("damaged: a frame of {length} bytes")));
        }
        let mut body = vec![0; length as usize];
        match self.file.read_exact(&mut body) {
            Ok(()) => {}
            // Cut off in the middle of a frame, as after a crash: what is whole counts.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let kind = body.remove(0);
        Ok(Some((kind, body)))
    }

    /// # Errors
    /// Reading fails or a frame is damaged.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, RecordingError> {
        let Some((kind, body)) = self.raw()? else {
            return Ok(None);
        };
        let number = |at: usize| body.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let pid = || body.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let frame = match kind {
            EVENT => Some(Frame::Event(body)),
            TICK => number(0).zip(number(8)).map(|(now_ns, wall_offset_ns)| Frame::Tick { now_ns, wall_offset_ns }),
            INTRODUCE => pid().map(|pid| Frame::Introduce { pid }),
            CONFIRM => serde_json::from_slice(&body).ok().map(|decision| Frame::Confirm(Box::new(decision))),
            COUNTERS => number(0)
                .zip(number(8))
                .zip(number(16))
                .map(|((captured, ring_full), not_http)| Frame::Counters { captured, ring_full, not_http }),
            _ => None,
        };
        frame.map(Some).ok_or_else(|| RecordingError::Format(format!("damaged: a frame of kind {kind}")))
    }
}
