//! The kernel side: load, attach, maps. Each program is attached for itself; one that cannot be takes only what it
//! feeds with it.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};

use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use libbpf_rs::{
    AsRawLibbpf, Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenObject, ProgramAttachType,
};
use serde::Serialize;

use crate::events;
use crate::hooks::{self, Figures, HookStatus, Mode, Selection};
use crate::options::{Layers, Options};
use crate::policy::SharedPolicies;
use crate::support;
use crate::tls::programs::{AttachWay, Programs};

/// Loads need 8-byte alignment of the ELF image.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("ROVER_BPF_OBJECT")));
/// The same with kprobes: only where they are needed, for what it does without costs time.
static PROBES: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("ROVER_BPF_PROBES")));

static SAID_NO_ROOM: Once = Once::new();

/// Why there is no capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureError {
    /// The kernel or a privilege is missing.
    Unsupported { feature: String, needs: String },
    /// The verifier refused; the log's end.
    Rejected(String),
}

impl std::fmt::Display for CaptureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CaptureError::Unsupported { feature, needs } => write!(f, "{feature}: {needs}"),
            CaptureError::Rejected(log) => write!(f, "the kernel rejected the programs: {log}"),
        }
    }
}

impl CaptureError {
    fn unsupported(feature: &str, needs: &str) -> CaptureError {
        CaptureError::Unsupported { feature: feature.into(), needs: needs.into() }
    }
}

/// Totals of the kernel's own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub [u64; events::COUNTERS as usize]);

impl Counters {
    pub fn of(&self, which: u32) -> u64 {
        self.0.get(which as usize).copied().unwrap_or(0)
    }
}

/// Run time and runs of one program, while `kernel.bpf_stats_enabled` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramCost {
    pub program: String,
    pub hook: &'static str,
    pub run_ns: u64,
    pub runs: u64,
    pub instructions: u64,
    /// Runs that the kernel left out, because the program ran on this CPU already; counted always.
    pub missed: u64,
}

/// The loaded object with its links; dropping it detaches.
pub struct Capture {
    object: Object,
    links: Mutex<Vec<(&'static str, Link)>>,
    hooks: Vec<HookStatus>,
    figures: Figures,
    /// Programs of the layers below TCP, and the figures that are left without them.
    layers: Vec<&'static str>,
    figures_without: Figures,
    /// Or why there is none.
    tls: Result<AttachWay, String>,
}

/// What went wrong with one program.
enum Failure {
    Program(&'static str, String),
    Whole(CaptureError),
}

impl Capture {
    /// Chooses a way for each hook, loads and attaches. What the kernel rejects is done without, or by another way.
    ///
    /// # Errors
    /// No BTF, a missing privilege, a needed hook that cannot be had in any way.
    pub fn start(options: &Options) -> Result<Capture, CaptureError> {
        check_kernel()?;
        let forced = Mode::from_option(&options.attach);
        let level = options.capture.layers;
        let mut refused = support::refusals(
            &ObjectBuilder::default().open_memory(&PROBES.0).map_err(|error| load_error(&error))?,
            &options.avoid,
        );
        let mut tls = support::uprobes(options.tls.enabled);
        // Each turn takes one program out, so it ends.
        loop {
            let selection = Selection::new(level, forced, &refused);
            if let Some((hook, why)) = selection.missing() {
                return Err(CaptureError::unsupported(&format!("a way to hook {}", hook.name), why));
            }
            match Capture::try_start(options, &selection, tls.clone()) {
                Ok(capture) => return Ok(capture),
                Err(Failure::Whole(error)) => return Err(error),
                Err(Failure::Program(name, reason)) if hooks::TLS_PROGRAMS.contains(&name) && tls.is_ok() => {
                    tls = Err(reason);
                }
                Err(Failure::Program(name, reason)) => {
                    if refused.insert(name, reason.clone()).is_some() {
                        return Err(CaptureError::Rejected(reason));
                    }
                }
            }
        }
    }

    fn try_start(options: &Options, selection: &Selection, tls: Result<AttachWay, String>) -> Result<Capture, Failure> {
        let open = open(options, selection, tls.as_ref().ok().copied()).map_err(Failure::Whole)?;
        let _quiet = LoadLog::begin();
        let object = match open.load() {
            Ok(object) => object,
            Err(error) => return Err(LoadLog::failure(&error)),
        };
        let level = options.capture.layers;
        let capture = Capture {
            object,
            links: Mutex::new(Vec::new()),
            hooks: selection.status(),
            figures: selection.figures(level),
            layers: selection.programs_only_of(Layers::All),
            figures_without: selection.figures(level.min(Layers::L4)),
            tls,
        };
        capture.attach(&selection.programs())?;
        Ok(capture)
    }

    /// In the order of the table, so that what an end relies on (its entry) may come after it: an operation under way
    /// then has no start, which is told as unknown.
    fn attach(&self, names: &BTreeSet<&'static str>) -> Result<(), Failure> {
        let mut in_order: Vec<&'static str> = names.iter().copied().collect();
        in_order.sort_by_key(|name| hooks::turn(name));
        for name in in_order {
            let Some(program) = self.object.progs().find(|program| program.name() == name) else {
                continue;
            };
            match attached(&program) {
                Ok(link) => self.links().push((name, link)),
                Err(error) => return Err(Failure::Program(name, format!("{error:#}"))),
            }
        }
        Ok(())
    }

    fn links(&self) -> MutexGuard<'_, Vec<(&'static str, Link)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Detaches the hooks of the layers below TCP, or attaches them again; the figures that there are then. What is
    /// refused this time is done without.
    pub fn set_layers(&self, is_on: bool) -> Figures {
        if !is_on {
            self.links().retain(|(name, _)| !self.layers.contains(name));
            return self.figures_without;
        }
        let missing: BTreeSet<&'static str> = {
            let links = self.links();
            self.layers.iter().copied().filter(|name| links.iter().all(|(attached, _)| attached != name)).collect()
        };
        match self.attach(&missing) {
            Ok(()) => self.figures,
            Err(_) => self.set_layers(false),
        }
    }

    /// What it takes to probe TLS libraries, or why that cannot be done.
    ///
    /// # Errors
    /// For a person.
    pub fn tls(&self) -> Result<Programs, String> {
        let way = self.tls.clone()?;
        let program = |name: &str| {
            let program = self.object.progs().find(|program| program.name() == name);
            program.and_then(|program| program.as_fd().try_clone_to_owned().ok())
        };
        let map = |name: &str| self.map(name).and_then(|map| MapHandle::try_from(&map).ok());
        let programs = || {
            Some(Programs {
                enter: program("rv_u_enter")?,
                leave: program("rv_u_leave")?,
                free: program("rv_u_free")?,
                cipher: program("rv_u_cipher")?,
                table: program("rv_u_table")?,
                sites: map("tls_sites")?,
                accounts: map("tls_accounts")?,
                goroutines: map("tls_goroutines")?,
                sessions: map("tls_sessions")?,
                way,
            })
        };
        programs().ok_or_else(|| "no file descriptors are left".into())
    }

    /// Which figures of the layers records can have.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    pub fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    /// No event comes after this; those in the ring stay readable.
    pub fn detach(&mut self) {
        self.links().clear();
    }

    fn map(&self, name: &str) -> Option<libbpf_rs::Map<'_>> {
        self.object.maps().find(|map| map.name() == name)
    }

    /// The ring buffer.
    pub fn ring(&self) -> Option<libbpf_rs::Map<'_>> {
        self.map("ring")
    }

    /// The policy map, mapped.
    ///
    /// # Errors
    /// What mmap says.
    pub fn policies(&self) -> std::io::Result<SharedPolicies> {
        let map = self.map("policies").ok_or_else(|| std::io::Error::from(ErrorKind::NotFound))?;
        SharedPolicies::map(map.as_fd(), map.max_entries() as usize)
    }

    /// Takes a process into the watch table, excluded or not; false when that is full.
    pub fn watch(&self, pid: u32) -> bool {
        let (Some(watch), Some(excluded)) = (self.map("watch"), self.map("excluded")) else {
            return false;
        };
        let key = pid.to_ne_bytes();
        // Where the kernel side has it already, its time stands.
        let is_in = match watch.update(&key, &0u64.to_ne_bytes(), MapFlags::NO_EXIST) {
            Ok(()) => true,
            Err(error) => error.kind() == libbpf_rs::ErrorKind::AlreadyExists,
        };
        remove(&excluded, &key);
        self.forget_remembered();
        is_in
    }

    /// Excludes the program that this process is since `since_ns`. Not the next one, which the engine may not have heard
    /// of yet.
    pub fn exclude(&self, pid: u32, since_ns: u64) {
        let (Some(watch), Some(excluded)) = (self.map("watch"), self.map("excluded")) else {
            return;
        };
        let key = pid.to_ne_bytes();
        if let Err(error) = excluded.update(&key, &since_ns.to_ne_bytes(), MapFlags::ANY) {
            // Once: with a full table it would be a line for each process.
            SAID_NO_ROOM.call_once(|| {
                eprintln!("rover: no room to exclude process {pid}: it is captured, and nothing of it told: {error}");
            });
        }
        // Its end, which removes the entry, was before.
        if let Ok(None) = watch.lookup(&key, MapFlags::ANY) {
            remove(&excluded, &key);
        }
        self.forget_remembered();
    }

    /// Takes a process whose end was missed out of the table. Not the one that has its pid since then.
    pub fn forget(&self, pid: u32, ended_ns: u64) {
        let (Some(watch), Some(excluded)) = (self.map("watch"), self.map("excluded")) else {
            return;
        };
        let key = pid.to_ne_bytes();
        let begin = watch.lookup(&key, MapFlags::ANY).ok().flatten().and_then(|value| value.as_slice().try_into().ok());
        if begin.map_or(0, u64::from_ne_bytes) > ended_ns {
            return;
        }
        remove(&watch, &key);
        remove(&excluded, &key);
        self.forget_remembered();
    }

    /// Moves `rv_generation`: connections look into the watch table again.
    fn forget_remembered(&self) {
        let map = self.object.maps().find(|map| map.name().to_string_lossy().contains(".data.generat"));
        let Some(map) = map else {
            return;
        };
        let key = 0u32.to_ne_bytes();
        let now = map.lookup(&key, MapFlags::ANY).ok().flatten();
        let now = now.and_then(|value| value.as_slice().try_into().ok()).map_or(0, u32::from_ne_bytes);
        if let Err(error) = map.update(&key, &now.wrapping_add(1).to_ne_bytes(), MapFlags::ANY) {
            eprintln!("rover: an excluded process may be captured until it ends: {error}");
        }
    }

    /// Sums over the CPUs.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        let Some(map) = self.map("counters") else {
            return counters;
        };
        for (index, counter) in counters.0.iter_mut().enumerate() {
            let key = (index as u32).to_ne_bytes();
            if let Ok(Some(values)) = map.lookup_percpu(&key, MapFlags::ANY) {
                *counter = values.iter().filter_map(|v| v.as_slice().try_into().ok()).map(u64::from_ne_bytes).sum();
            }
        }
        counters
    }

    /// What each program has cost so far.
    pub fn costs(&self) -> Vec<ProgramCost> {
        let mut costs = Vec::new();
        for program in self.object.progs() {
            let name = program.name().to_string_lossy().into_owned();
            let Some(hook) = hooks::hook_of(&name) else {
                continue;
            };
            if let Some(info) = program_info(program.as_fd().as_raw_fd()) {
                costs.push(ProgramCost {
                    program: name,
                    hook,
                    run_ns: info.run_time_ns,
                    runs: info.run_cnt,
                    instructions: u64::from(info.verified_insns),
                    missed: info.recursion_misses,
                });
            }
        }
        costs
    }
}

/// An error means that it has gone already: as wanted.
fn remove(map: &libbpf_rs::Map<'_>, key: &[u8]) {
    map.delete(key).unwrap_or_default();
}

/// As `ProgramMut::attach`, which wants the whole object for itself while others read its maps.
fn attached(program: &libbpf_rs::Program<'_>) -> Result<Link, std::io::Error> {
    let program = program.as_libbpf_object().as_ptr();
    // SAFETY: the program is loaded and lives as long as its object. Null, with errno, is a failure.
    let link = unsafe { libbpf_sys::bpf_program__attach(program) };
    // SAFETY: a link that nobody else owns.
    NonNull::new(link).map(|link| unsafe { Link::from_ptr(link) }).ok_or_else(std::io::Error::last_os_error)
}

fn program_info(descriptor: i32) -> Option<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = std::mem::size_of_val(&info) as u32;
    // SAFETY: info and size are valid for writing, size says how large info is.
    let failed = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(descriptor, &raw mut info, &raw mut size) };
    (failed == 0).then_some(info)
}

/// What must be there before anything is loaded, each with the one thing to do.
fn check_kernel() -> Result<(), CaptureError> {
    // libbpf has a line of its own for what it cannot read.
    let _quiet = LoadLog::begin();
    if libbpf_rs::Btf::from_vmlinux().is_err() {
        return Err(CaptureError::unsupported("BTF", "a kernel built with CONFIG_DEBUG_INFO_BTF=y"));
    }
    if crate::probe::kernel().lockdown.as_deref() == Some("confidentiality") {
        return Err(CaptureError::unsupported(
            "reading kernel memory (lockdown=confidentiality)",
            "boot with lockdown=integrity or none",
        ));
    }
    let missing = crate::privileges::missing();
    if !missing.is_empty() {
        let all = missing.join(",").to_lowercase();
        return Err(CaptureError::unsupported(
            &missing.join(", "),
            &format!("start as root, or give them: setcap {all}+ep on the interpreter"),
        ));
    }
    Ok(())
}

fn open(options: &Options, selection: &Selection, tls: Option<AttachWay>) -> Result<OpenObject, CaptureError> {
    let mut builder = ObjectBuilder::default();
    let image = if selection.has_mode(Mode::Kprobe) { &PROBES.0 } else { &OBJECT.0 };
    let mut open = builder.open_memory(image).map_err(|error| load_error(&error))?;
    let cpus = libbpf_rs::num_possible_cpus().unwrap_or(1) as u32;
    let has_layers = options.capture.layers >= Layers::All;
    for mut map in open.maps_mut() {
        let entries = match map.name().to_str() {
            Some("ring") => ring_bytes(options.ring_bytes),
            Some("scratch") => map.max_entries() + cpus,
            Some("process_scratch") => cpus,
            Some("tls_scratch") if tls.is_some() => 2 * cpus,
            Some("tls_sites" | "tls_accounts" | "tls_sessions") if tls.is_none() => 1,
            Some("flows") if !has_layers => 1,
            Some(name) if name.contains(".rodata.opt") => {
                set_options(&mut map, options, selection, tls.is_some());
                continue;
            }
            _ => continue,
        };
        map.set_max_entries(entries).map_err(|error| load_error(&error))?;
    }
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        let is_probe = hooks::TLS_PROGRAMS.contains(&name.as_str());
        program.set_autoload(selection.has(&name) || (is_probe && tls.is_some()));
        if is_probe && tls == Some(AttachWay::Multi) {
            program.set_attach_type(ProgramAttachType::TraceUprobeMulti);
        }
    }
    Ok(open)
}

/// The constants of bpf/options.h.
fn set_options(map: &mut libbpf_rs::OpenMapMut<'_>, options: &Options, selection: &Selection, has_tls: bool) {
    let has = |names: &[&str]| u32::from(names.iter().any(|name| selection.has(name)));
    let values = [
        options.capture.payload_bytes.clamp(256, 131_071),
        options.capture.layers as u32,
        has(&["rv_t_send_e", "rv_f_send_e", "rv_k_send_e", "rv_k_page_e"]),
        has(&["rv_t_handed"]),
        u32::from(has_tls),
        u32::from(selection.has_others()),
    ];
    if let Some(constants) = map.initial_value_mut() {
        for (slot, value) in constants.chunks_exact_mut(4).zip(values) {
            slot.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

/// What libbpf says while it loads: it names the program that the kernel rejects, its error value does not.
struct LoadLog;

static LOAD_LOG: Mutex<String> = Mutex::new(String::new());
/// Of the verifier's log the end tells why.
const LOG_TAIL: usize = 600;

impl LoadLog {
    fn begin() -> LoadLog {
        LOAD_LOG.lock().unwrap_or_else(PoisonError::into_inner).clear();
        libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Warn, |_, line| {
            LOAD_LOG.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
        })));
        LoadLog
    }

    fn failure(error: &libbpf_rs::Error) -> Failure {
        let log = LOAD_LOG.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let program = log
            .lines()
            .filter(|line| {
                line.contains("load failed") || line.contains("failed to find") || line.contains("failed to")
            })
            .find_map(|line| line.split('\'').nth(1).and_then(hooks::program_name));
        let verdict: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let cause = verdict.iter().rev().find(|line| {
            !["libbpf:", "processed", "--", "verification time", "stack depth", "arg#"]
                .iter()
                .any(|noise| line.starts_with(noise))
        });
        match program {
            Some(name) => {
                let why = cause.map_or_else(|| error.to_string(), |line| (*line).to_owned());
                Failure::Program(name, format!("the kernel rejects {name}: {}", tail(&why)))
            }
            None => Failure::Whole(match load_error(error) {
                CaptureError::Rejected(text) => CaptureError::Rejected(format!("{text} {}", tail(&log))),
                other => other,
            }),
        }
    }
}

impl Drop for LoadLog {
    fn drop(&mut self) {
        libbpf_rs::set_print(None);
    }
}

fn tail(text: &str) -> &str {
    let at = text.len().saturating_sub(LOG_TAIL);
    let at = (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[at..].trim()
}

/// A ring buffer is a power of two of whole pages.
fn ring_bytes(wanted: u32) -> u32 {
    wanted.clamp(64 * 1024, 1 << 30).next_power_of_two()
}

fn load_error(error: &libbpf_rs::Error) -> CaptureError {
    match error.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            CaptureError::unsupported("permission to load BPF programs", "CAP_BPF and CAP_PERFMON (or root)")
        }
        libbpf_rs::ErrorKind::NotFound => {
            CaptureError::unsupported("a tracepoint that capture cannot do without", "Linux 6.3 or newer")
        }
        _ => CaptureError::Rejected(format!("{error:#}")),
    }
}
