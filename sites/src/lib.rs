//! Where the TLS functions of an ELF file can be probed: bytes of a file in, places out.
//!
//! A uprobe costs what the instruction under it costs the kernel: one that it emulates (push, call, jump) 0.6 µs, one
//! that it must single-step 9 µs and more. And a return probe rewrites a return address, which kills processes under a
//! strict seccomp filter on some kernels and misleads whatever walks the stack. So this crate reads the code of the
//! functions, and names instructions inside them: one at which the arguments are still where the caller put them, and
//! one through which every way back passes with the result in a known place.
//!
//! Nothing here attaches a probe, runs a program, reads a clock or logs. Input is hostile: no file, however broken,
//! makes it panic, loop or take much memory.

#![forbid(unsafe_code)]

mod boringssl;
mod calls;
mod code;
mod error;
mod found;
mod gnutls;
mod go;
mod image;
mod inspect;
mod library;
mod openssl;
mod unread;
mod version;

pub use error::Error;
pub use inspect::inspect;
pub use library::{Action, Arguments, Convention, Kind, Library, Linkage, Outcome, Place, Site};
