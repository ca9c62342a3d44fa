//! What the engine is told at its making: one JSON object, every key optional.

use std::sync::Arc;

use rover_parsers::http1::{KeepHeaders, Limits};
use rover_reporters::record::Side;
use serde::Deserialize;

/// How query strings appear in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Query {
    Keep,
    /// Every value becomes `*`.
    #[default]
    Mask,
    Drop,
}

/// How much is measured below the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layers {
    None,
    /// TCP's own figures, without hooks on packets.
    L4,
    #[default]
    All,
}

impl Layers {
    pub fn name(self) -> &'static str {
        match self {
            Layers::None => "none",
            Layers::L4 => "l4",
            Layers::All => "all",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Most payload bytes copied of one operation, at most 131071: what common clients read at once.
    pub payload_bytes: u32,
    /// Most bytes of a head that are kept.
    pub head_bytes: usize,
    pub query: Query,
    /// Names of headers to keep.
    pub headers: Vec<String>,
    /// An exchange that lasts longer is reported `unfinished` and completed later.
    pub unfinished_seconds: f64,
    pub layers: Layers,
}

impl Default for Capture {
    fn default() -> Self {
        Capture {
            payload_bytes: 131_071,
            head_bytes: 65536,
            query: Query::Mask,
            headers: Vec::new(),
            unfinished_seconds: 60.0,
            layers: Layers::All,
        }
    }
}

/// Only records that pass are emitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Either end has one of these ports; empty: any.
    pub ports: Vec<u16>,
    pub side: Option<SideName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SideName {
    Server,
    Client,
}

impl From<SideName> for Side {
    fn from(name: SideName) -> Side {
        match name {
            SideName::Server => Side::Server,
            SideName::Client => Side::Client,
        }
    }
}

/// Whether and where TLS libraries are probed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub enabled: bool,
    /// Globs of paths that are left alone.
    pub skip: Vec<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Tls { enabled: true, skip: Vec::new() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub capture: Capture,
    pub tls: Tls,
    pub filters: Filters,
    /// Size of the ring buffer; rounded up to a power of two of pages.
    pub ring_bytes: u32,
    /// Ports at either end of rover's own reporting connections.
    pub own_ports: Vec<u16>,
    /// Attach mode: `auto` or a mode's name.
    pub attach: String,
    /// Functions and tracepoints of the kernel that must not be hooked.
    pub avoid: Vec<String>,
    /// Most records that wait for the confirmation of their processes.
    pub held_records: usize,
    /// Most connections in the table.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            capture: Capture::default(),
            tls: Tls::default(),
            filters: Filters::default(),
            ring_bytes: 16 * 1024 * 1024,
            own_ports: Vec::new(),
            attach: "auto".into(),
            avoid: Vec::new(),
            held_records: 65536,
            connections: 65536,
        }
    }
}

impl Options {
    /// # Errors
    /// What serde says of the text.
    pub fn from_json(text: &str) -> Result<Options, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The part that the parsers need.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::new(Limits { head_bytes: self.capture.head_bytes, keep_headers: KeepHeaders::new(&self.capture.headers) })
    }

    pub fn unfinished_ns(&self) -> u64 {
        (self.capture.unfinished_seconds.max(0.001) * 1e9) as u64
    }
}
