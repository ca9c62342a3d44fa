//! The sites of real libraries under real traffic: what is counted there is what was sent and received.
//!
//! Needs root (uprobes) and clang; says so and passes without. Both ends of each connection run the probed copy, so the
//! bytes read must be the bytes written; the entry and the return of the public functions count the same once more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "live/counter.rs"]
mod counter;
#[path = "live/reference.rs"]
mod reference;
#[path = "live/traffic.rs"]
mod traffic;

use std::path::{Path, PathBuf};

use counter::{compile, Counter, Direction, Total};
use rover_sites::{inspect, Action, Convention, Kind, Library, Linkage, Site};
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
    assert_eq!(written.ends, written.enters, "{written:?}");
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

/// Each connection's ciphertext goes through a BIO on both ends, that of a memory BIO once more on its way out or in.
#[test]
fn what_goes_through_bios_is_more_than_the_plaintext() {
    let Some(setting) = setting() else { return };
    let Some(openssl) = traffic::openssl_copy(&setting.folder) else { return };
    let counter = Counter::attach(&setting.object, &openssl.libcrypto, &library(&openssl.libcrypto).sites);
    let sent = traffic::python_talk(&setting.folder, &openssl);
    let (read, written) = (counter.total(Direction::CipherRead), counter.total(Direction::CipherWrite));
    assert!(read.bytes > sent && written.bytes > sent, "sent {sent}, {read:?}, {written:?}");
    // Alerts are written and not read, and keys and certificates are read from files, through BIOs too.
    assert!(written.bytes.abs_diff(read.bytes) < 300_000, "{read:?}, {written:?}");
}

/// A static executable with symbols: the same functions, found in it.
#[test]
fn a_static_executable_is_counted_exactly() {
    let Some(setting) = setting() else { return };
    let Some(program) = traffic::compile_pairs(&setting.folder, &STATIC) else { return };
    let found = library(&program);
    assert_eq!(found.linkage, Linkage::Static);
    for is_ex in [false, true] {
        let counter = Counter::attach(&setting.object, &program, &found.sites);
        traffic::run_pairs(&program, setting.folder.path(), &setting.folder, 1000, is_ex);
        let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
        assert_eq!(read.bytes, 2000 * 16, "{read:?}");
        assert_plausible(read, written);
    }
}

/// The same without symbols: functions are found by the names that they hand over with their errors.
#[test]
fn a_stripped_static_executable_is_counted_exactly() {
    let Some(setting) = setting() else { return };
    let Some(program) = traffic::compile_pairs(&setting.folder, &[&STATIC[..], &["-s"]].concat()) else { return };
    let found = library(&program);
    assert_eq!((found.kind, found.linkage), (Kind::Openssl, Linkage::Static));
    for is_ex in [false, true] {
        let counter = Counter::attach(&setting.object, &program, &found.sites);
        traffic::run_pairs(&program, setting.folder.path(), &setting.folder, 1000, is_ex);
        let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
        assert_eq!(read.bytes, 2000 * 16, "{read:?}");
        assert_plausible(read, written);
    }
}

/// Goroutines that change threads and whose stacks move; with symbols and without.
#[test]
fn a_go_program_is_counted_exactly() {
    let Some(setting) = setting() else { return };
    for is_stripped in [false, true] {
        let Some(program) = traffic::compile_go(&setting.folder, is_stripped) else { return };
        let found = library(&program);
        assert_eq!(found.kind, Kind::Go);
        assert!(found.sites.iter().all(|site| !site.is_return_probe));
        let counter = Counter::attach(&setting.object, &program, &found.sites);
        let is_still = found.sites.iter().any(|site| site.convention == Convention::GoStack);
        let sent = traffic::run_go(&program, &setting.folder, is_still);
        let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
        assert_eq!((read.bytes, written.bytes), (sent, sent), "{read:?}, {written:?}");
    }
}

/// grpc-core: BoringSSL without symbols. What is written includes HTTP/2's frames, so it is more than the messages.
#[test]
fn what_grpc_reads_is_what_grpc_writes() {
    let Some(setting) = setting() else { return };
    let Some(cygrpc) = traffic::grpc_copy(&setting.folder) else { return };
    let found = library(&cygrpc);
    assert_eq!(found.kind, Kind::Boringssl);
    let counter = Counter::attach(&setting.object, &cygrpc, &found.sites);
    let sent = traffic::run_grpc(&setting.folder);
    let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
    assert!(read.bytes > sent && written.bytes < sent + sent / 50, "sent {sent}, {read:?}, {written:?}");
    // The last frames are written to a connection that nobody reads any more.
    assert!(written.bytes - read.bytes < 200, "{read:?}, {written:?}");
    let (read, written) = (counter.total(Direction::CipherRead), counter.total(Direction::CipherWrite));
    assert!(read.bytes > sent && written.bytes > sent, "sent {sent}, {read:?}, {written:?}");
}

/// Node's own OpenSSL, through memory BIOs of its own.
#[test]
fn what_node_reads_is_what_node_writes() {
    let Some(setting) = setting() else { return };
    let Some(node) = traffic::node_copy(&setting.folder) else { return };
    let Some(found) = inspect(&node).expect("readable") else {
        eprintln!("skipped: node is linked with a shared OpenSSL");
        return;
    };
    let counter = Counter::attach(&setting.object, &node, &found.sites);
    let sent = traffic::run_node(&node, &setting.folder);
    let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
    assert_plausible(read, written);
    assert!(read.bytes > sent && read.bytes < sent + sent / 20, "sent {sent}, {read:?}");
}

#[test]
fn what_gnutls_reads_is_what_gnutls_writes() {
    let Some(setting) = setting() else { return };
    let Some((program, gnutls)) = traffic::compile_gnutls(&setting.folder) else { return };
    let found = library(&gnutls);
    assert_eq!((found.kind, found.linkage), (Kind::Gnutls, Linkage::Shared));
    let counter = Counter::attach(&setting.object, &gnutls, &found.sites);
    let sent = traffic::run_gnutls(&program, &setting.folder);
    let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
    assert_eq!((read.bytes, written.bytes), (sent, sent), "{read:?}, {written:?}");
    assert_plausible(read, written);
}

/// Other versions: `OPENSSL_FOLDERS=/a:/b` names folders with a libssl and a libcrypto each, such as wheels bring along.
#[test]
fn other_versions_are_counted_exactly() {
    let Some(setting) = setting() else { return };
    let folders = std::env::var("OPENSSL_FOLDERS").unwrap_or_default();
    for folder in folders.split(':').filter(|folder| !folder.is_empty()) {
        let Some((libssl, libcrypto)) = traffic::copy_of_version(&setting.folder, Path::new(folder)) else { continue };
        let link = [libssl.to_str().unwrap(), libcrypto.to_str().unwrap()];
        let Some(program) = traffic::compile_pairs(&setting.folder, &link) else { continue };
        let found = library(&libssl);
        for is_ex in [false, true] {
            let counter = Counter::attach(&setting.object, &libssl, &found.sites);
            traffic::run_pairs(&program, libssl.parent().unwrap(), &setting.folder, 1000, is_ex);
            let (read, written) = (counter.total(Direction::Read), counter.total(Direction::Write));
            assert_eq!(read.bytes, 2000 * 16, "{folder}: {read:?}");
            assert_plausible(read, written);
            println!("{:?}: {read:?}, {written:?}", found.version);
        }
    }
}

const STATIC: [&str; 5] = ["-l:libssl.a", "-l:libcrypto.a", "-ldl", "-lpthread", "-lz"];

/// Prints what probes add to a write and a read together: none, the sites, entry and return probe, entry and returns.
///
/// `cargo test --release -p rover-sites --test live -- --ignored --nocapture cost`
#[test]
#[ignore = "a measurement"]
fn cost() {
    let Some(setting) = setting() else { return };
    let Some(openssl) = traffic::openssl_copy(&setting.folder) else { return };
    let Some(program) = traffic::compile_pairs(&setting.folder, &["-lssl", "-lcrypto"]) else { return };
    let found = library(&openssl.libssl);
    let bytes: Vec<Site> = found.sites.into_iter().filter(is_read_or_write).collect();
    for is_ex in [false, true] {
        // The least of three: other work on the machine only adds.
        let once = || traffic::run_pairs(&program, &openssl.folder, &setting.folder, 50_000, is_ex);
        let run = || (0..3).map(|_| once()).min().unwrap_or_default();
        let bare = run();
        let measure = |sites: &[Site]| {
            let counter = Counter::attach_nothing(&setting.object, &openssl.libssl, sites);
            let time = run();
            drop(counter);
            time.saturating_sub(bare)
        };
        let by_sites = measure(&bytes);
        println!("extended: {is_ex}; bare {bare} ns per write and read; sites add {by_sites}");
        let entries = reference::entries_and_returns(&openssl.libssl, is_ex);
        println!("  entry and return probe add {}", measure(&entries.with_return_probes));
        println!("  entry and return instructions add {}", measure(&entries.with_return_instructions));
    }
}

fn is_read_or_write(site: &Site) -> bool {
    matches!(site.action, Action::ReadEnter | Action::ReadLeave | Action::WriteEnter | Action::WriteLeave)
}
