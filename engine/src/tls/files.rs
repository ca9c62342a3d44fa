//! From a mapping to the very file behind it, also in containers and after it was deleted.

use std::fs::{File, Metadata, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::mappings::Mapping;

/// A file as the kernel names it in maps and mapping events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode {
    pub major: u32,
    pub minor: u32,
    pub number: u64,
    /// Differs when the number is used again; 0 where it is not told.
    pub generation: u64,
}

/// A file as `stat` names it, and what changes when its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    pub device: u64,
    pub number: u64,
    pub bytes: u64,
    pub modified_ns: i64,
    pub changed_ns: i64,
}

impl Content {
    pub fn is_same_file(&self, other: &Content) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }

    pub fn of(metadata: &Metadata) -> Content {
        Content {
            device: metadata.dev(),
            number: metadata.ino(),
            bytes: metadata.len(),
            modified_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            changed_ns: metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
        }
    }
}

/// File systems whose `stat` tells another device than the kernel's own inode has.
const OVERLAYFS: i64 = 0x794c_7630;
const BTRFS: i64 = 0x9123_683e;

/// Opens what is certainly no pipe, terminal or device, and is not waited for.
pub fn maybe_regular(path: &Path) -> Option<(File, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata))
}

fn is_same(file: &File, metadata: &Metadata, inode: &Inode) -> bool {
    let device = libc::makedev(inode.major, inode.minor);
    if metadata.ino() == inode.number && metadata.dev() == device {
        return true;
    }
    // The upper bits of the number may tell the layer (overlayfs, option xino).
    let is_same_number = metadata.ino() & 0xffff_ffff == inode.number & 0xffff_ffff;
    is_same_number && matches!(file_system(file), Some(OVERLAYFS | BTRFS))
}

fn file_system(file: &File) -> Option<i64> {
    let mut about = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open, and there is room for the answer.
    let failed = unsafe { libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) };
    // SAFETY: filled in by the call that has just succeeded.
    (failed == 0).then(|| unsafe { about.assume_init() }.f_type)
}

/// The file of a mapping; none if it cannot be reached, or something else lies at its path by now.
pub fn maybe_file(mapping: &Mapping) -> Option<(File, Metadata)> {
    let pid = mapping.pid;
    let inside = mapping.path.strip_prefix("/").ok()?;
    let end = mapping.address + mapping.length;
    let ways = [
        PathBuf::from(format!("/proc/{pid}/root")).join(inside),
        // For the deleted and replaced; wants more privileges.
        PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{end:x}", mapping.address)),
        // Of a process that has gone, or for one that is the same everywhere.
        mapping.path.clone(),
    ];
    ways.iter().find_map(|way| maybe_same(way, &mapping.inode))
}

/// What lies there, if it is that file.
pub fn maybe_same(path: &Path, inode: &Inode) -> Option<(File, Metadata)> {
    let (file, metadata) = maybe_regular(path)?;
    is_same(&file, &metadata, inode).then_some((file, metadata))
}

/// Folders in which libraries lie before anybody maps them.
fn library_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"]
        .into_iter()
        .chain(["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"])
        .map(PathBuf::from)
        .collect();
    for entry in std::fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        folders.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    let mut known: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    known.sort();
    known.dedup();
    known
}

/// Whether a file is named like a TLS library: those are looked at first.
pub fn is_likely(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    ["libssl", "libgnutls", "libnspr4", "libssl3", "libcrypto", "libnss3"].iter().any(|known| name.starts_with(known))
}

/// Libraries on disk that are named like TLS libraries.
pub fn installed() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in library_folders() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| is_likely(path)));
    }
    found
}

/// Where executables lie, some of which have a TLS library inside.
const EXECUTABLES: &[&str] = &["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin"];
/// One with a TLS library inside is larger.
const LEAST_BYTES: u64 = 1 << 20;
/// Enough for any node; the order of a folder is no order.
const MOST_EXECUTABLES: usize = 2000;

/// Executables on disk that may have a TLS library inside.
pub fn executables() -> Vec<PathBuf> {
    let entries = EXECUTABLES.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    // Not the targets of links: they have their own entry, or are mapped by another name.
    let is_large = |entry: &std::fs::DirEntry| entry.metadata().is_ok_and(|m| m.is_file() && m.len() >= LEAST_BYTES);
    entries.filter(is_large).map(|entry| entry.path()).take(MOST_EXECUTABLES).collect()
}
