//! Executable mappings as they happen, on the whole machine: a perf event that counts nothing and reports every mmap
//! (perf_event_open(2), PERF_RECORD_MMAP2). It needs no kprobe and works under lockdown.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::Inode;
use super::links::FD_CLOEXEC;

/// A file that a process can execute code of from now on.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub pid: u32,
    pub address: u64,
    pub length: u64,
    pub inode: Inode,
    /// As the process sees it.
    pub path: PathBuf,
    /// Since boot; 0: before rover.
    pub time_ns: u64,
}

/// Data pages of each CPU's buffer, powers of two; the first that fits. A record is about 120 bytes: 4000 of them, some
/// hundred process starts while the reader waits for a CPU.
const PAGES: [usize; 4] = [128, 32, 8, 1];
/// Of all CPUs together.
const MOST_PAGES: usize = 4096;

const RECORD_LOST: u32 = 2;
const RECORD_MMAP2: u32 = 10;
/// `struct perf_event_header`.
const HEADER: usize = 8;
/// Fields of a mmap2 record before the path.
const FIXED: usize = HEADER + 64;
/// The time at the end of each record (`sample_id_all`).
const TRAILER: usize = 8;

struct Buffer {
    event: OwnedFd,
    memory: *mut u8,
    bytes: usize,
    page: usize,
}

// SAFETY: the mapping lives as long as the value, and only this value reads it.
unsafe impl Send for Buffer {}

/// One buffer for each CPU.
pub struct Mappings {
    buffers: Vec<Buffer>,
}

impl Mappings {
    /// # Errors
    /// What perf_event_open or mmap says of the first CPU.
    pub fn open() -> io::Result<Mappings> {
        let cpus = libbpf_rs::num_possible_cpus().unwrap_or(1);
        Mappings::with(PAGES.iter().copied().filter(|pages| pages * cpus <= MOST_PAGES || *pages == 1), cpus)
    }

    /// Without news, where the kernel gives them to nobody but CAP_SYS_ADMIN: processes have to be looked through.
    pub fn none() -> Mappings {
        Mappings { buffers: Vec::new() }
    }

    pub fn is_none(&self) -> bool {
        self.buffers.is_empty()
    }

    fn with(pages: impl Iterator<Item = usize> + Clone, cpus: usize) -> io::Result<Mappings> {
        let mut buffers = Vec::new();
        for cpu in 0..cpus {
            match Buffer::open(cpu as i32, pages.clone()) {
                Ok(buffer) => buffers.push(buffer),
                // Possible, but not online.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Mappings { buffers })
    }

    /// Ready when there is something to read.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        self.buffers.iter().map(|buffer| buffer.event.as_fd())
    }

    /// Hands over what has come; returns how many records were lost.
    pub fn drain(&mut self, mut take: impl FnMut(Mapping)) -> u64 {
        self.buffers.iter_mut().map(|buffer| buffer.drain(&mut take)).sum()
    }
}

fn attributes() -> libbpf_sys::perf_event_attr {
    let mut attributes = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        size: std::mem::size_of::<libbpf_sys::perf_event_attr>() as u32,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_DUMMY),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_TIME),
        clockid: libc::CLOCK_BOOTTIME,
        ..Default::default()
    };
    attributes.set_mmap(1);
    attributes.set_mmap2(1);
    attributes.set_sample_id_all(1);
    attributes.set_use_clockid(1);
    attributes.set_exclude_kernel(1);
    // A wake-up for each record: a library must be probed before its first call.
    attributes.set_watermark(1);
    attributes.__bindgen_anon_2.wakeup_watermark = 1;
    attributes
}

impl Buffer {
    fn open(cpu: i32, most: impl Iterator<Item = usize>) -> io::Result<Buffer> {
        let attributes = attributes();
        // SAFETY: attributes are valid for reading and say how large they are.
        let event = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1, cpu, -1, FD_CLOEXEC) };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let event = unsafe { OwnedFd::from_raw_fd(event as i32) };
        // SAFETY: no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as usize;
        let mut error = io::Error::from_raw_os_error(libc::ENOMEM);
        for pages in most {
            let bytes = (1 + pages) * page;
            // SAFETY: a new mapping of a perf event, which takes one page and a power of two of pages.
            let memory = unsafe {
                let access = libc::PROT_READ | libc::PROT_WRITE;
                libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, event.as_raw_fd(), 0)
            };
            if memory != libc::MAP_FAILED {
                return Ok(Buffer { event, memory: memory.cast(), bytes, page });
            }
            // EPERM: more memory than an unprivileged user may lock. A smaller buffer may fit.
            error = io::Error::last_os_error();
        }
        Err(error)
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both positions are aligned u64 fields of the first page, which the kernel shares.
        unsafe { &*self.memory.add(offset).cast::<AtomicU64>() }
    }

    /// `bytes` from `at` on, which may go around the end of the buffer.
    fn copy(&self, at: u64, into: &mut Vec<u8>, bytes: usize) {
        let size = self.bytes - self.page;
        into.clear();
        let begin = at as usize & (size - 1);
        let first = bytes.min(size - begin);
        for (from, count) in [(begin, first), (0, bytes - first)] {
            // SAFETY: `from + count` is within the data pages, which the kernel does not write below data_head.
            into.extend_from_slice(unsafe { std::slice::from_raw_parts(self.memory.add(self.page + from), count) });
        }
    }

    fn drain(&mut self, take: &mut impl FnMut(Mapping)) -> u64 {
        let head_at = std::mem::offset_of!(libbpf_sys::perf_event_mmap_page, data_head);
        let tail_at = std::mem::offset_of!(libbpf_sys::perf_event_mmap_page, data_tail);
        let head = self.position(head_at).load(Ordering::Acquire);
        let mut tail = self.position(tail_at).load(Ordering::Relaxed);
        let mut lost = 0;
        let mut record = Vec::new();
        while head.wrapping_sub(tail) >= HEADER as u64 {
            self.copy(tail, &mut record, HEADER);
            let size = maybe_u16(&record, 6).map_or(0, usize::from);
            if size < HEADER || size as u64 > head.wrapping_sub(tail) {
                // Not a record: nothing behind it can be read either.
                tail = head;
                lost += 1;
                break;
            }
            self.copy(tail, &mut record, size);
            match maybe_u32(&record, 0) {
                Some(RECORD_MMAP2) => {
                    if let Some(mapping) = maybe_mapping(&record) {
                        take(mapping);
                    }
                }
                Some(RECORD_LOST) => lost += maybe_u64(&record, 16).unwrap_or(1),
                _ => {}
            }
            tail = tail.wrapping_add(size as u64);
        }
        self.position(tail_at).store(tail, Ordering::Release);
        lost
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: mapped in `open` with this size, and not used after.
        unsafe { libc::munmap(self.memory.cast(), self.bytes) };
    }
}

fn maybe_u16(raw: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(raw.get(at..at + 2)?.try_into().ok()?))
}

fn maybe_u32(raw: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(raw.get(at..at + 4)?.try_into().ok()?))
}

fn maybe_u64(raw: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(raw.get(at..at + 8)?.try_into().ok()?))
}

/// None for what is no file: anonymous memory, the vdso.
fn maybe_mapping(raw: &[u8]) -> Option<Mapping> {
    let inode = Inode {
        major: maybe_u32(raw, HEADER + 32)?,
        minor: maybe_u32(raw, HEADER + 36)?,
        number: maybe_u64(raw, HEADER + 40)?,
        generation: maybe_u64(raw, HEADER + 48)?,
    };
    let end = raw.len().checked_sub(TRAILER)?;
    let path = raw.get(FIXED..end)?;
    let path = path.split(|byte| *byte == 0).next()?;
    if inode.number == 0 || path.first() != Some(&b'/') || path.starts_with(b"//") {
        return None;
    }
    Some(Mapping {
        pid: maybe_u32(raw, HEADER)?,
        address: maybe_u64(raw, HEADER + 8)?,
        length: maybe_u64(raw, HEADER + 16)?,
        inode,
        path: PathBuf::from(OsString::from_vec(path.to_vec())),
        time_ns: maybe_u64(raw, end)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(path: &[u8]) -> Vec<u8> {
        let mut raw = vec![0; HEADER];
        raw[..4].copy_from_slice(&RECORD_MMAP2.to_ne_bytes());
        for number in [7u32, 8] {
            raw.extend(number.to_ne_bytes());
        }
        for number in [0x7000u64, 0x1000, 0] {
            raw.extend(number.to_ne_bytes());
        }
        for number in [0xfeu32, 1] {
            raw.extend(number.to_ne_bytes());
        }
        for number in [1234u64, 99, 0] {
            raw.extend(number.to_ne_bytes());
        }
        raw.extend(path);
        raw.resize(raw.len().next_multiple_of(8), 0);
        raw.extend(5_000_000_000u64.to_ne_bytes());
        raw
    }

    #[test]
    fn a_record_tells_the_process_the_file_and_the_time() {
        let mapping = maybe_mapping(&record(b"/usr/lib/libssl.so.3\0")).unwrap();
        assert_eq!((mapping.pid, mapping.address, mapping.length), (7, 0x7000, 0x1000));
        assert_eq!(mapping.inode, Inode { major: 0xfe, minor: 1, number: 1234, generation: 99 });
        assert_eq!((mapping.path, mapping.time_ns), (PathBuf::from("/usr/lib/libssl.so.3"), 5_000_000_000));
    }

    #[test]
    fn memory_without_a_file_and_cut_records_are_no_mappings() {
        for path in [&b"//anon\0"[..], b"[vdso]\0", b"\0"] {
            assert!(maybe_mapping(&record(path)).is_none());
        }
        let whole = record(b"/a\0");
        for end in 0..FIXED + TRAILER {
            assert!(maybe_mapping(&whole[..end.min(whole.len())]).is_none(), "{end}");
        }
    }

    fn map_own(times: usize) {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        for _ in 0..times {
            // SAFETY: a new private mapping of an open file, never read and unmapped at once.
            unsafe {
                let access = libc::PROT_READ | libc::PROT_EXEC;
                let memory = libc::mmap(std::ptr::null_mut(), 4096, access, libc::MAP_PRIVATE, file.as_raw_fd(), 0);
                assert_ne!(memory, libc::MAP_FAILED);
                libc::munmap(memory, 4096);
            }
        }
    }

    /// The kernel tells of it with the next record that has room, in the buffer of the same CPU.
    #[test]
    fn what_the_buffer_has_no_room_for_is_counted() {
        // SAFETY: a set of no CPU is all zeros; it outlives the calls, and 0 is this thread.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
            assert_eq!(libc::sched_setaffinity(0, std::mem::size_of_val(&set), &raw const set), 0);
        }
        let Ok(mut mappings) = Mappings::with([1].into_iter(), libbpf_rs::num_possible_cpus().unwrap()) else {
            return;
        };
        let mut seen = 0;
        map_own(1000);
        let mut lost = mappings.drain(|_| seen += 1);
        map_own(10);
        lost += mappings.drain(|_| seen += 1);
        assert!(lost > 500 && seen + lost >= 1000, "{lost} lost, {seen} seen");
    }

    #[test]
    fn what_this_process_maps_is_reported() {
        // Needs a privilege; without it there is nothing to test.
        let Ok(mut mappings) = Mappings::open() else {
            return;
        };
        map_own(1);
        let own = std::fs::read_link("/proc/self/exe").unwrap();
        let mut is_seen = false;
        mappings.drain(|mapping| is_seen |= mapping.pid == std::process::id() && mapping.path == own);
        assert!(is_seen);
    }
}
