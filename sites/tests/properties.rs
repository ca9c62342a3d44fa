//! What must hold of the sites of any file, whatever compiler made it: no golden offsets, they change with each build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use rover_sites::{inspect, Action, Convention, Kind, Library, Linkage, Outcome, Site};

const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// Libraries and programs of this machine that are there.
fn files() -> Vec<PathBuf> {
    let names = ["libssl.so.3", "libssl.so.1.1", "libcrypto.so.3", "libcrypto.so.1.1", "libgnutls.so.30"];
    let mut files: Vec<PathBuf> = names.iter().map(|name| Path::new(LIBRARIES).join(name)).collect();
    files.push("/usr/bin/node".into());
    files.retain(|file| file.exists());
    files
}

fn found() -> Vec<(PathBuf, Library)> {
    let found: Vec<_> = files().into_iter().filter_map(|file| Some((file.clone(), inspect(&file).unwrap()?))).collect();
    if found.is_empty() {
        eprintln!("skipped: no TLS library on this machine");
    }
    found
}

fn instruction(site: &Site) -> Instruction {
    Decoder::with_ip(64, &site.bytes, site.address, DecoderOptions::NONE).decode()
}

fn is_relative(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::NearBranch64
}

#[test]
fn the_bytes_of_a_site_are_those_of_the_file() {
    for (path, library) in found() {
        let file = std::fs::read(&path).unwrap();
        for site in library.sites.iter().chain(&library.return_sites) {
            let at = usize::try_from(site.offset).unwrap();
            assert_eq!(&file[at..at + site.bytes.len()], &site.bytes, "{}: {site:?}", path.display());
        }
    }
}

/// Judged by the decoder's meaning of the instruction, where the crate goes by its bytes.
#[test]
fn an_emulated_site_is_a_push_a_nop_a_jump_or_a_call() {
    for (path, library) in found() {
        for site in library.sites.iter().filter(|site| site.is_emulated) {
            let instruction = instruction(site);
            let is_emulated = match instruction.flow_control() {
                FlowControl::Next => instruction.code() == Code::Push_r64 || instruction.mnemonic() == Mnemonic::Nop,
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::Call => {
                    is_relative(&instruction)
                }
                _ => false,
            };
            assert!(is_emulated, "{}: {instruction:?} {site:?}", path.display());
        }
    }
}

#[test]
fn a_leave_site_that_is_stepped_is_a_return() {
    for (path, library) in found() {
        let stepped = |site: &&Site| site.action.is_leave() && !site.is_emulated && !site.is_return_probe;
        for site in library.sites.iter().filter(stepped) {
            assert_eq!(instruction(site).flow_control(), FlowControl::Return, "{}: {site:?}", path.display());
            assert_eq!(site.frame_offset, Some(0), "the return address is on top of the stack");
        }
    }
}

#[test]
fn each_beginning_has_an_end() {
    let pairs = [
        (Action::ReadEnter, Action::ReadLeave),
        (Action::WriteEnter, Action::WriteLeave),
        (Action::CipherReadEnter, Action::CipherReadLeave),
        (Action::CipherWriteEnter, Action::CipherWriteLeave),
    ];
    for (path, library) in found() {
        for (enter, leave) in pairs {
            let has = |action| library.sites.iter().any(|site| site.action == action);
            assert_eq!(has(enter), has(leave), "{}: {enter:?}", path.display());
        }
    }
}

#[test]
fn a_read_and_a_write_tell_session_buffer_and_length() {
    for (path, library) in found() {
        let enters = [Action::ReadEnter, Action::WriteEnter];
        for site in library.sites.iter().filter(|site| enters.contains(&site.action)) {
            let arguments = site.arguments;
            let has_all = arguments.session.is_some() && arguments.buffer.is_some() && arguments.length.is_some();
            assert!(has_all, "{}: {site:?}", path.display());
            let wants_count = matches!(site.outcome, Outcome::OkAndCountAt { .. });
            assert_eq!(wants_count, arguments.count.is_some(), "{}: {site:?}", path.display());
        }
    }
}

/// Two probes in one place would tell a call twice.
#[test]
fn no_place_is_named_twice_for_the_same() {
    for (path, library) in found() {
        for sites in [&library.sites, &library.return_sites] {
            let mut places: Vec<_> =
                sites.iter().map(|site| (site.offset, site.is_return_probe, site.action)).collect();
            let count = places.len();
            places.sort_unstable_by_key(|place| format!("{place:?}"));
            places.dedup();
            assert_eq!(places.len(), count, "{}", path.display());
        }
    }
}

/// In every process at once: it must cost those little who use the library for something else.
#[test]
fn a_write_to_memory_is_found_and_cheap() {
    let file = Path::new(LIBRARIES).join("libcrypto.so.3");
    if !file.exists() {
        eprintln!("skipped: no {}", file.display());
        return;
    }
    let library = inspect(&file).unwrap().unwrap();
    let written: Vec<_> = library.sites.iter().filter(|site| site.action == Action::CipherWritten).collect();
    assert_eq!(written.len(), 1);
    assert!(written[0].is_emulated && !written[0].is_return_probe);
}

#[test]
fn openssl_needs_no_single_step_for_what_it_reads_and_writes() {
    let file = Path::new(LIBRARIES).join("libssl.so.3");
    if !file.exists() {
        eprintln!("skipped: no {}", file.display());
        return;
    }
    let library = inspect(&file).unwrap().unwrap();
    assert_eq!((library.kind, library.linkage), (Kind::Openssl, Linkage::Shared));
    assert!(library.build_id.is_some());
    let plaintext = [Action::ReadEnter, Action::ReadLeave, Action::WriteEnter, Action::WriteLeave];
    for site in library.sites.iter().filter(|site| plaintext.contains(&site.action)) {
        assert!(site.is_emulated || site.outcome == Outcome::Failed, "{site:?}");
        assert!(!site.is_return_probe && site.convention == Convention::C, "{site:?}");
    }
}

/// `SSL_peek` gives the same bytes to its caller as the read that follows.
#[test]
fn no_site_is_in_what_only_peeks() {
    use object::{Object, ObjectSymbol};
    let file = Path::new(LIBRARIES).join("libssl.so.3");
    let Ok(data) = std::fs::read(&file) else { return eprintln!("skipped: no {}", file.display()) };
    let library = inspect(&file).unwrap().unwrap();
    let elf = object::File::parse(data.as_slice()).unwrap();
    for symbol in elf.dynamic_symbols().filter(|symbol| symbol.name().is_ok_and(|name| name.starts_with("SSL_peek"))) {
        let code = symbol.address()..symbol.address() + symbol.size();
        assert!(library.sites.iter().all(|site| !code.contains(&site.address)));
    }
}

#[test]
fn a_file_without_tls_has_none() {
    for file in ["/bin/true", "/usr/bin/bash"] {
        assert_eq!(inspect(Path::new(file)).unwrap(), None, "{file}");
    }
    assert!(inspect(Path::new("/etc/passwd")).is_err());
    assert!(inspect(Path::new("/nowhere")).is_err());
    assert!(inspect(Path::new("/")).is_err());
}
