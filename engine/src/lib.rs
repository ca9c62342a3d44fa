//! From kernel events to access-log records.
//!
//! ```text
//! capture (BPF object, ring buffer) → drain (thread) → core ─ processes: who is watched, what is held
//!                                                       ├─ connections: who, TCP's figures
//!                                                       │   └─ conversations: streams, gaps, HTTP/1 and HTTP/2
//!                                                       ├─ exchanges: their messages, operations, times, flags
//!                                                       └─ ledger, sinks (encoders, reporters, store)
//! ```
//! [`core::Core`] knows neither BPF nor threads: a recording replays through the same code.

pub mod addresses;
mod alarm;
pub mod capture;
pub mod clock;
pub mod connection;
mod conversation;
pub mod copies;
pub mod core;
pub mod drain;
pub mod effort;
pub mod engine;
pub mod event;
pub mod events;
pub mod exchange;
mod handshake;
pub mod hooks;
pub mod layers;
pub mod ledger;
mod memory;
pub mod names;
pub mod options;
pub mod patience;
pub mod policy;
mod priority;
pub mod privileges;
pub mod probe;
pub mod processes;
pub mod recording;
pub mod report;
mod secure;
mod sessions;
pub mod sinks;
pub mod support;
pub mod tls;
pub mod translations;
