//! What this machine allows, for `rover doctor`: nothing is left behind.

use std::collections::BTreeMap;

use rover_reporters::layers::{READ_NAMES, WRITE_NAMES};
use serde::Serialize;

use crate::capture::Capture;
use crate::hooks::HookStatus;
use crate::options::Options;
use crate::tls::{self, Status};

/// A privilege and whether this process has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Privilege {
    pub name: &'static str,
    pub held: bool,
    pub needed_for: &'static str,
}

/// The kernel, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kernel {
    pub release: String,
    pub machine: String,
    pub btf: bool,
    /// `none`, `integrity`, `confidentiality`; null where the kernel does not tell.
    pub lockdown: Option<String>,
}

/// The whole finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kernel: Kernel,
    pub privileges: Vec<Privilege>,
    pub hooks: Vec<HookStatus>,
    /// Which figures of the layers records then have: `write` and `read`, each for IPv4 and IPv6.
    pub figures: BTreeMap<&'static str, [Vec<&'static str>; 2]>,
    /// What was loaded.
    pub programs: Vec<LoadedProgram>,
    /// The TLS libraries of this machine, each probed for a moment.
    pub tls: Status,
    pub load_ms: u64,
    /// Why capture cannot start at all.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedProgram {
    pub program: String,
    pub hook: &'static str,
    /// Those that the verifier went through.
    pub instructions: u64,
}

/// Linux capability numbers (uapi/linux/capability.h).
const CAPABILITIES: &[(&str, u32, &str)] = &[
    ("CAP_BPF", 39, "loading BPF programs and maps"),
    ("CAP_PERFMON", 38, "tracing programs that read kernel memory"),
    ("CAP_SYS_PTRACE", 19, "reading executables and command lines of other users' processes"),
    ("CAP_NET_ADMIN", 12, "names of interfaces, translation tables"),
];
const CAP_SYS_ADMIN: u32 = 21;
/// Without these nothing can be loaded.
const NEEDED: &[&str] = &["CAP_BPF", "CAP_PERFMON"];

fn effective_capabilities() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0)
}

/// Every privilege that rover can use.
pub fn privileges() -> Vec<Privilege> {
    let held = effective_capabilities();
    let has = |bit: u32| held & (1 << bit) != 0;
    CAPABILITIES
        .iter()
        .map(|(name, bit, needed_for)| {
            // CAP_SYS_ADMIN stands for both of the newer ones (kernel commit 2c78ee898d8f).
            let is_implied = NEEDED.contains(name) && has(CAP_SYS_ADMIN);
            Privilege { name, held: has(*bit) || is_implied, needed_for }
        })
        .collect()
}

/// Those without which nothing works.
pub fn missing_capabilities() -> Vec<String> {
    privileges().into_iter().filter(|p| NEEDED.contains(&p.name) && !p.held).map(|p| p.name.to_owned()).collect()
}

/// Release, machine, BTF, lockdown.
pub fn kernel() -> Kernel {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let lockdown = read("/sys/kernel/security/lockdown")
        .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned()));
    Kernel {
        release: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        machine: std::env::consts::ARCH.into(),
        btf: std::path::Path::new("/sys/kernel/btf/vmlinux").exists(),
        lockdown,
    }
}

/// Loads, attaches, and lets go again.
pub fn probe(options: &Options) -> Finding {
    let options = Options { ring_bytes: 64 * 1024, ..options.clone() };
    let mut finding = Finding {
        kernel: kernel(),
        privileges: privileges(),
        hooks: Vec::new(),
        figures: BTreeMap::new(),
        programs: Vec::new(),
        tls: Status::default(),
        load_ms: 0,
        error: None,
    };
    let begin = std::time::Instant::now();
    match Capture::start(&options) {
        Ok(capture) => {
            finding.load_ms = begin.elapsed().as_millis() as u64;
            finding.hooks = capture.hooks().to_vec();
            finding.tls = tls::survey(capture.tls(), &options.tls);
            let figures = capture.figures();
            finding.figures.insert("write", figures.write.map(|known| named(known, &WRITE_NAMES)));
            finding.figures.insert("read", figures.read.map(|known| named(known, &READ_NAMES)));
            finding.programs = capture
                .costs()
                .into_iter()
                .map(|cost| LoadedProgram { program: cost.program, hook: cost.hook, instructions: cost.instructions })
                .collect();
        }
        Err(error) => finding.error = Some(error.to_string()),
    }
    finding
}

fn named(known: u32, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().enumerate().filter(|(index, _)| known & (1 << index) != 0).map(|(_, name)| *name).collect()
}
