//! TLS libraries: finding them as they are mapped, probing them before they are used.
//!
//! ```text
//! start: every mapping of every process, known folders ─┐
//! then: mappings as they happen (perf mmap events) ─────┴→ files (which inode) → libraries (rover-sites says where,
//!                                                          programs attach) → events in the ring
//! ```
//! Probes belong to an inode, not to a process: a library that was seen once costs later processes nothing, and they
//! are covered from their first call. What is not known here: sessions, plaintext, connections (`core`).

mod elsewhere;
mod files;
mod libraries;
pub mod links;
mod mappings;
mod maps;
pub mod programs;
mod sites;
mod status;
mod unread;
mod watcher;

pub use self::status::{BlindWindow, LibraryStatus, Status};
pub use self::unread::{unread, Unread};
pub use self::watcher::{survey, Request, Requests, Watcher};
