//! What this machine allows, for `rover doctor`: nothing is left behind.

use std::collections::BTreeMap;

use rover_reporters::layers::{READ_NAMES, WRITE_NAMES};
use serde::Serialize;

use crate::capture::Capture;
use crate::hooks::HookStatus;
use crate::options::Options;
use crate::privileges::{privileges, Privilege};
use crate::tls::{self, Status};

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
