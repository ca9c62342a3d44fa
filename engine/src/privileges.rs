//! Capabilities: which there are use for, which are held, and giving up all others.

use std::io;

use serde::Serialize;

/// A privilege and whether this process has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Privilege {
    pub name: &'static str,
    pub held: bool,
    pub needed_for: &'static str,
}

/// Linux capability numbers (uapi/linux/capability.h).
const CAPABILITIES: &[(&str, u32, &str)] = &[
    ("CAP_BPF", 39, "loading BPF programs and maps"),
    ("CAP_PERFMON", 38, "tracing programs that read kernel memory"),
    ("CAP_SYS_PTRACE", 19, "reading executables and command lines of other users' processes"),
    ("CAP_NET_ADMIN", 12, "names of interfaces, translation tables"),
    ("CAP_DAC_READ_SEARCH", 2, "rules by port about other users' processes, libraries in folders closed to others"),
    ("CAP_CHECKPOINT_RESTORE", 40, "TLS libraries that were deleted or replaced while in use"),
    ("CAP_SYSLOG", 34, "names of kernel functions that drop packets, where kernel.kptr_restrict hides them"),
    ("CAP_SYS_NICE", 23, "draining before ordinary programs on a machine without a free CPU"),
];
/// Taken for a while where a configured path or port needs it.
const SOMETIMES: &[(&str, u32)] = &[("CAP_DAC_OVERRIDE", 1), ("CAP_NET_BIND_SERVICE", 10)];
const CAP_SYS_ADMIN: u32 = 21;
/// Without these nothing can be loaded.
const NEEDED: &[&str] = &["CAP_BPF", "CAP_PERFMON"];

/// Whether the kernel gives perf events to nobody else: above 2, which only Debian's and Ubuntu's kernels know, not even
/// to who has CAP_PERFMON. Probes that are no links and the news of mapped libraries come by perf events.
fn perf_needs_admin() -> bool {
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    paranoid.trim().parse::<i32>().is_ok_and(|level| level > 2)
}

fn effective() -> u64 {
    status_mask("CapEff:")
}

fn status_mask(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(0)
}

fn has(mask: u64, bit: u32) -> bool {
    mask & (1 << bit) != 0
}

/// Every privilege that rover can use.
pub fn privileges() -> Vec<Privilege> {
    let held = effective();
    let told = |(name, bit, needed_for): &(&'static str, u32, &'static str)| {
        // CAP_SYS_ADMIN stands for these newer ones (kernel commits 2c78ee898d8f, 124ea650d307).
        let is_implied = (NEEDED.contains(name) || *name == "CAP_CHECKPOINT_RESTORE") && has(held, CAP_SYS_ADMIN);
        Privilege { name, held: has(held, *bit) || is_implied, needed_for }
    };
    let mut all: Vec<Privilege> = CAPABILITIES.iter().map(told).collect();
    if perf_needs_admin() {
        let needed_for = "kprobes and TLS, or set kernel.perf_event_paranoid to 2";
        all.push(Privilege { name: "CAP_SYS_ADMIN", held: has(held, CAP_SYS_ADMIN), needed_for });
    }
    all
}

/// Those without which nothing works.
pub fn missing() -> Vec<String> {
    privileges().into_iter().filter(|p| NEEDED.contains(&p.name) && !p.held).map(|p| p.name.to_owned()).collect()
}

/// Gives up, for good, all capabilities but those that there is use for and these `extra` ones, from every set, and
/// the way to get new ones by executing a program. To be called while the process has one thread: others would keep theirs.
///
/// # Errors
/// There are other threads, a name in `extra` is not known, or what the kernel says.
pub fn keep_only_needed(extra: &[String]) -> io::Result<()> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("other threads run already"));
    }
    let mut wanted: u64 = CAPABILITIES.iter().map(|(_, bit, _)| 1 << bit).sum();
    for name in extra {
        let known = SOMETIMES.iter().find(|(known, _)| known == name);
        wanted |= known.map(|(_, bit)| 1 << bit).ok_or_else(|| io::Error::other(format!("no use for {name}")))?;
    }
    let held = status_mask("CapPrm:");
    if NEEDED.iter().any(|name| CAPABILITIES.iter().any(|(known, bit, _)| known == name && !has(held, *bit))) {
        wanted |= 1 << CAP_SYS_ADMIN;
    }
    if perf_needs_admin() {
        wanted |= 1 << CAP_SYS_ADMIN;
    }
    let kept = held & wanted;
    control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    control(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong)?;
    for bit in (0..64).filter(|bit| !has(kept, *bit)) {
        // Needs CAP_SETPCAP, and ends at the last one that the kernel knows. Without it nothing can be gained anyway.
        if control(libc::PR_CAPBSET_DROP, libc::c_ulong::from(bit)).is_err() {
            break;
        }
    }
    set(kept)
}

fn control(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    let none: libc::c_ulong = 0;
    // SAFETY: these options take numbers only.
    let failed = unsafe { libc::prctl(option, value, none, none, none) };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// capset(2), version 3: two words of 32 bits for each set.
#[repr(C)]
struct Head {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

fn set(kept: u64) -> io::Result<()> {
    let word = |half: u64| Word { effective: half as u32, permitted: half as u32, inheritable: 0 };
    let head = Head { version: VERSION_3, pid: 0 };
    let words = [word(kept), word(kept >> 32)];
    // SAFETY: both structures have the kernel's layout and outlive the call.
    let failed = unsafe { libc::syscall(libc::SYS_capset, &raw const head, words.as_ptr()) };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
