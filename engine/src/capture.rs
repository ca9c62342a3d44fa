//! The kernel side: load, attach, maps. Each program is attached for itself; one that cannot be takes only what it
//! feeds with it.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder, OpenObject};
use serde::Serialize;

use crate::events;
use crate::options::Options;
use crate::policy::SharedPolicies;

/// Loads need 8-byte alignment of the ELF image.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("ROVER_BPF_OBJECT")));

/// One hook: its program, where it attaches, what it feeds, and whether records are impossible without it.
struct HookFacts {
    program: &'static str,
    hook: &'static str,
    feeds: &'static str,
    is_needed: bool,
}

const HOOKS: &[HookFacts] = &[
    HookFacts {
        program: "rv_send_x",
        hook: "sock:sock_send_length",
        feeds: "sent bytes: requests of clients, responses of servers",
        is_needed: true,
    },
    HookFacts {
        program: "rv_recv_x",
        hook: "sock:sock_recv_length",
        feeds: "received bytes: requests at servers, responses at clients",
        is_needed: true,
    },
    HookFacts {
        program: "rv_send_e",
        hook: "tcp:tcp_sendmsg_locked",
        feeds: "start time of writes, payload of io_uring and sendmmsg",
        is_needed: false,
    },
    HookFacts {
        program: "rv_copy",
        hook: "skb:skb_copy_datagram_iovec",
        feeds: "payload of reads by io_uring and recvmmsg",
        is_needed: false,
    },
    HookFacts {
        program: "rv_state",
        hook: "sock:inet_sock_set_state",
        feeds: "connections: opened, handshake time, ends of streams",
        is_needed: false,
    },
    HookFacts { program: "rv_destroy", hook: "tcp:tcp_destroy_sock", feeds: "connections: closed", is_needed: false },
    HookFacts {
        program: "rv_fork",
        hook: "sched:sched_process_fork",
        feeds: "processes started while rover runs",
        is_needed: true,
    },
    HookFacts {
        program: "rv_exec",
        hook: "sched:sched_process_exec",
        feeds: "programs started while rover runs",
        is_needed: true,
    },
    HookFacts { program: "rv_exit", hook: "sched:sched_process_exit", feeds: "ends of processes", is_needed: true },
];

/// How a hook fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookStatus {
    pub hook: &'static str,
    /// `tracepoint`
    pub mode: &'static str,
    pub attached: bool,
    pub feeds: &'static str,
    /// Why it is not attached.
    pub reason: Option<String>,
}

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
}

/// The loaded object with its links; dropping it detaches.
pub struct Capture {
    object: Object,
    links: Vec<Link>,
    hooks: Vec<HookStatus>,
}

impl Capture {
    /// Loads and attaches.
    ///
    /// # Errors
    /// No BTF, a missing privilege, a program that the kernel rejects, a hook that is needed and not there.
    pub fn start(options: &Options) -> Result<Capture, CaptureError> {
        check_kernel()?;
        let open = open(options)?;
        let object = open.load().map_err(|error| load_error(&error))?;
        let mut capture = Capture { object, links: Vec::new(), hooks: Vec::new() };
        capture.attach()?;
        Ok(capture)
    }

    fn attach(&mut self) -> Result<(), CaptureError> {
        for facts in HOOKS {
            let program = self.object.progs_mut().find(|program| program.name() == facts.program);
            let Some(program) = program.filter(|program| program.autoload()) else {
                if facts.is_needed {
                    return Err(CaptureError::unsupported(
                        &format!("the kernel has no tracepoint {}", facts.hook),
                        "Linux 6.3 or newer",
                    ));
                }
                self.hooks.push(status(facts, Some("this kernel has no such tracepoint".into())));
                continue;
            };
            match program.attach() {
                Ok(link) => {
                    self.links.push(link);
                    self.hooks.push(status(facts, None));
                }
                Err(error) if facts.is_needed => return Err(load_error(&error)),
                Err(error) => self.hooks.push(status(facts, Some(error.to_string()))),
            }
        }
        Ok(())
    }

    pub fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    /// No event comes after this; those in the ring stay readable.
    pub fn detach(&mut self) {
        self.links.clear();
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

    /// Takes processes into the watch table or out of it; false when the table is full.
    pub fn watch(&self, pid: u32, is_watched: bool) -> bool {
        let Some(map) = self.map("watch") else {
            return false;
        };
        if is_watched {
            map.update(&pid.to_ne_bytes(), &0u64.to_ne_bytes(), MapFlags::ANY).is_ok()
        } else {
            // An error means that it has gone already: as wanted.
            let is_out = map.delete(&pid.to_ne_bytes());
            self.forget_remembered();
            is_out.err().is_none_or(|error| error.kind() == libbpf_rs::ErrorKind::NotFound)
        }
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
            eprintln!("an excluded process may be captured until it ends: {error}");
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
            let Some(facts) = HOOKS.iter().find(|facts| program.name() == facts.program) else {
                continue;
            };
            if let Some(info) = program_info(program.as_fd().as_raw_fd()) {
                costs.push(ProgramCost {
                    program: facts.program.into(),
                    hook: facts.hook,
                    run_ns: info.run_time_ns,
                    runs: info.run_cnt,
                    instructions: u64::from(info.verified_insns),
                });
            }
        }
        costs
    }
}

fn program_info(descriptor: i32) -> Option<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = std::mem::size_of_val(&info) as u32;
    // SAFETY: info and size are valid for writing, size says how large info is.
    let failed = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(descriptor, &raw mut info, &raw mut size) };
    (failed == 0).then_some(info)
}

fn status(facts: &HookFacts, reason: Option<String>) -> HookStatus {
    HookStatus { hook: facts.hook, mode: "tracepoint", attached: reason.is_none(), feeds: facts.feeds, reason }
}

/// What must be there before anything is loaded, each with the one thing to do.
fn check_kernel() -> Result<(), CaptureError> {
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(CaptureError::unsupported("BTF", "a kernel built with CONFIG_DEBUG_INFO_BTF=y"));
    }
    let missing = crate::probe::missing_capabilities();
    if let Some(first) = missing.first() {
        return Err(CaptureError::unsupported(
            &missing.join(", "),
            &format!("start as root, or give the capability: setcap {}+ep on the interpreter", first.to_lowercase()),
        ));
    }
    Ok(())
}

fn open(options: &Options) -> Result<OpenObject, CaptureError> {
    let mut builder = ObjectBuilder::default();
    let mut open = builder.open_memory(&OBJECT.0).map_err(|error| load_error(&error))?;
    let cpus = libbpf_rs::num_possible_cpus().unwrap_or(1) as u32;
    for mut map in open.maps_mut() {
        let entries = match map.name().to_str() {
            Some("ring") => ring_bytes(options.ring_bytes),
            Some("scratch" | "process_scratch") => cpus,
            Some(name) if name.ends_with(".rodata") => {
                // The first constant (events.h order does not matter here): checked by the test of the payload bound.
                set_payload_bytes(&mut map, options.capture.payload_bytes);
                continue;
            }
            _ => continue,
        };
        map.set_max_entries(entries).map_err(|error| load_error(&error))?;
    }
    let known = kernel_tracepoints();
    for mut program in open.progs_mut() {
        let section = program.section().to_string_lossy().into_owned();
        let Some(name) = section.strip_prefix("tp_btf/") else {
            continue;
        };
        if known.as_ref().is_some_and(|known| !known(name)) {
            program.set_autoload(false);
        }
    }
    Ok(open)
}

/// Offset of `rv_payload_bytes` in the constants is 0: it is the first one declared.
fn set_payload_bytes(map: &mut libbpf_rs::OpenMapMut<'_>, bytes: u32) {
    if let Some(slot) = map.initial_value_mut().and_then(|constants| constants.get_mut(..4)) {
        slot.copy_from_slice(&bytes.clamp(256, 131_071).to_ne_bytes());
    }
}

/// Says whether the running kernel has a BTF tracepoint.
fn kernel_tracepoints() -> Option<impl Fn(&str) -> bool> {
    let btf = libbpf_rs::Btf::from_vmlinux().ok()?;
    Some(move |name: &str| {
        btf.type_by_name::<libbpf_rs::btf::types::Typedef<'_>>(&format!("btf_trace_{name}")).is_some()
    })
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
