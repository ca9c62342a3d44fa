//! What processes have mapped already, from /proc/PID/maps.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::files::Inode;
use super::mappings::Mapping;

/// No process has so many; a file of lines that goes on for ever is none of ours.
const LINES: usize = 200_000;

/// Numbers of all processes.
pub fn processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The files that a process has executable code of, each once. Empty for one that is gone.
pub fn executable_files(pid: u32) -> Vec<Mapping> {
    // Paths are bytes, not text.
    let Ok(text) = std::fs::read(format!("/proc/{pid}/maps")) else {
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let lines = text.split(|byte| *byte == b'\n').take(LINES);
    lines.filter_map(|line| maybe_mapping(pid, line)).filter(|mapping| seen.insert(mapping.inode)).collect()
}

/// `address-end permissions offset major:minor inode path`
fn maybe_mapping(pid: u32, line: &[u8]) -> Option<Mapping> {
    let mut words = line.splitn(6, |byte| *byte == b' ');
    let mut word = || words.next().and_then(|word| std::str::from_utf8(word).ok());
    let (begin, end) = word()?.split_once('-')?;
    if word()?.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let _offset = word()?;
    let (major, minor) = word()?.split_once(':')?;
    let number: u64 = word()?.parse().ok()?;
    let path = words.next()?.trim_ascii_start();
    if number == 0 || path.first() != Some(&b'/') {
        return None;
    }
    let address = u64::from_str_radix(begin, 16).ok()?;
    Some(Mapping {
        pid,
        address,
        length: u64::from_str_radix(end, 16).ok()?.checked_sub(address)?,
        inode: Inode {
            major: u32::from_str_radix(major, 16).ok()?,
            minor: u32::from_str_radix(minor, 16).ok()?,
            number,
            generation: 0,
        },
        path: PathBuf::from(OsString::from_vec(path.to_vec())),
        time_ns: 0,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_executable_code_of_a_file_is_a_mapping() {
        let line = b"7f0a10-7f0a20 r-xp 00028000 fe:01 1234                     /usr/lib/a b.so (deleted)";
        let mapping = maybe_mapping(7, line).unwrap();
        assert_eq!((mapping.address, mapping.length), (0x7f_0a10, 0x10));
        assert_eq!(mapping.inode, Inode { major: 0xfe, minor: 1, number: 1234, generation: 0 });
        assert_eq!(mapping.path, PathBuf::from("/usr/lib/a b.so (deleted)"));
    }

    #[test]
    fn data_and_memory_without_a_file_are_none() {
        for line in [
            &b"7f0a10-7f0a20 r--p 00028000 fe:01 1234 /usr/lib/a.so"[..],
            b"7f0a10-7f0a20 r-xp 00000000 00:00 0 [vdso]",
            b"7f0a10-7f0a20 r-xp 00000000 00:00 0",
            b"",
            b"x",
        ] {
            assert!(maybe_mapping(7, line).is_none());
        }
    }
}
