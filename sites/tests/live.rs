//! The sites of real libraries under real traffic: what is counted there is what was sent and received.
//!
//! Needs root (uprobes) and clang; says so and passes without. Both ends of each connection run the probed copy, so the
//! bytes read must be the bytes written; the entry and the return of the public functions count the same once more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "live/counter.rs"]
mod counter;
#[path = "live/traffic.rs"]
mod traffic;

use std::path::{Path, PathBuf};

use counter::{compile, Counter, Direction, Total};
use rover_sites::{inspect, Library};
use traffic::Folder;

struct Setting {
    folder: Folder,
    object: PathBuf,
}

/// None where nothing can be probed.
fn setting() -> Option<Setting> {
    if !traffic::is_root() {
        eprintln!("skipped: uprobes need root");
        return None;
    }
    let folder = Folder::new();
    let object = compile(folder.path())?;
    Some(Setting { folder, object })
}

fn library(path: &Path) -> Library {
    inspect(path).expect("readable").expect("has TLS")
}

fn assert_plausible(read: Total, written: Total) {
    assert!(read.bytes > 0 && read.enters > 0, "nothing was seen: {read:?}");
    assert_eq!(read.bytes, written.bytes, "read {read:?}, written {written:?}");
    // Handshake records leave through the same function, without having entered by the one for plaintext.
    assert_eq!(written.leaves - written.unmatched, written.enters, "{written:?}");
}

/// Python on both sides: `SSL_read_ex` and `SSL_write_ex`, over sockets and over memory BIOs.
#[test]
fn what_python_reads_is_what_python_writes() {
    let Some(setting) = setting() else { return };
    let Some(openssl) = traffic::openssl_copy(&setting.folder) else { return };
    let found = library(&openssl.libssl);
    let counter = Counter::attach(&setting.object, &openssl.libssl, &found.sites);
    let sent = traffic::python_talk(&setting.folder, &openssl);
    let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
    assert_plausible(read, written);
    assert_eq!(read.bytes, sent, "{read:?}");
}
