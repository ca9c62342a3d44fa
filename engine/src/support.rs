//! What the running kernel lets programs attach to: found by asking its BTF and by loading tiny programs, never by its
//! version.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libbpf_rs::btf::types::{Func, FuncProto, Ptr, Typedef};
use libbpf_rs::btf::ReferencesType as _;
use libbpf_rs::{Btf, OpenObject};

use crate::hooks::Refusals;
use crate::tls::links;
use crate::tls::programs::AttachWay;

/// Programs whose arguments not every kernel has, and how many the hook must have.
const ARGUMENTS: &[(&str, usize)] = &[
    ("rv_t_drop4", 4),
    ("rv_t_drop3", 3),
    ("rv_f_accept2", 2),
    ("rv_f_accept4", 4),
    ("rv_f_send4_x", 3),
    ("rv_f_send6_x", 3),
    ("rv_f_recv4_x", 4),
    ("rv_f_recv6_x", 4),
];

/// `return 0`, for what type of program and where.
fn load_tiny(kind: u32, attach: u32, target: u32) -> std::io::Result<OwnedFd> {
    let instructions = [
        // mov64 r0, 0
        libbpf_sys::bpf_insn { code: 0xb7, ..Default::default() },
        // exit
        libbpf_sys::bpf_insn { code: 0x95, ..Default::default() },
    ];
    let mut options = libbpf_sys::bpf_prog_load_opts {
        sz: std::mem::size_of::<libbpf_sys::bpf_prog_load_opts>() as u64,
        expected_attach_type: attach,
        attach_btf_id: target,
        ..Default::default()
    };
    let license = c"GPL";
    // SAFETY: all pointers are valid for the call, the count is that of the array, `sz` that of the struct.
    let descriptor = unsafe {
        libbpf_sys::bpf_prog_load(
            kind,
            c"rv_probe".as_ptr(),
            license.as_ptr(),
            instructions.as_ptr(),
            instructions.len() as u64,
            &raw mut options,
        )
    };
    if descriptor < 0 {
        return Err(std::io::Error::from_raw_os_error(-descriptor));
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether a program can be attached at the entry of a function: by attaching one that does nothing.
fn try_fentry(target: u32) -> std::io::Result<()> {
    let program = load_tiny(libbpf_sys::BPF_PROG_TYPE_TRACING, libbpf_sys::BPF_TRACE_FENTRY, target)?;
    // SAFETY: no name is given, the descriptor is open.
    let link = unsafe { libbpf_sys::bpf_raw_tracepoint_open(std::ptr::null(), program.as_raw_fd()) };
    if link < 0 {
        return Err(std::io::Error::from_raw_os_error(-link));
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(link) });
    Ok(())
}

fn try_kprobes() -> Result<(), String> {
    if !std::path::Path::new("/sys/bus/event_source/devices/kprobe/type").exists() {
        return Err("this kernel is built without kprobes".into());
    }
    let refused = |error: std::io::Error| match error.raw_os_error() {
        Some(libc::EACCES) => "kprobes need CAP_SYS_ADMIN while kernel.perf_event_paranoid is above 2".into(),
        _ => format!("kprobes are refused: {error}"),
    };
    load_tiny(libbpf_sys::BPF_PROG_TYPE_KPROBE, 0, 0).map_err(refused)?;
    links::try_kprobe(c"tcp_sendmsg").map_err(refused)
}

/// How uprobes can be had; why not otherwise.
///
/// # Errors
/// For a person.
pub fn uprobes(is_wanted: bool) -> Result<AttachWay, String> {
    if !is_wanted {
        return Err("tls.enabled is false".into());
    }
    // Since 6.6 one link has all places of a file, without a perf event for each.
    let multi = load_tiny(libbpf_sys::BPF_PROG_TYPE_KPROBE, libbpf_sys::BPF_TRACE_UPROBE_MULTI, 0);
    if multi.is_ok_and(|program| links::knows_multi(program.as_fd())) {
        return Ok(AttachWay::Multi);
    }
    if !std::path::Path::new("/sys/bus/event_source/devices/uprobe/type").exists() {
        return Err("this kernel is built without uprobes".into());
    }
    load_tiny(libbpf_sys::BPF_PROG_TYPE_KPROBE, 0, 0)
        .map(|_| AttachWay::PerfEvents)
        .map_err(|error| format!("uprobes are refused: {error}"))
}

struct Kernel {
    btf: Btf<'static>,
}

impl Kernel {
    fn read() -> Option<Kernel> {
        Btf::from_vmlinux().ok().map(|btf| Kernel { btf })
    }

    /// Number of arguments of a BTF tracepoint; none if there is no such tracepoint.
    fn tracepoint(&self, name: &str) -> Option<usize> {
        let typedef: Typedef<'_> = self.btf.type_by_name(&format!("btf_trace_{name}"))?;
        let pointer = Ptr::try_from(typedef.referenced_type()).ok()?;
        let prototype = FuncProto::try_from(pointer.referenced_type()).ok()?;
        // The first one is the tracer's own.
        Some(prototype.iter().count().saturating_sub(1))
    }

    /// Id and number of arguments of a function.
    fn function(&self, name: &str) -> Option<(u32, usize)> {
        let function: Func<'_> = self.btf.type_by_name(name)?;
        let prototype = FuncProto::try_from(function.referenced_type()).ok()?;
        Some((function.type_id().into(), prototype.iter().count()))
    }

    /// Whether a thread may lose its CPU amid a program of a tracepoint: with Linux 7 their guard came to be one that
    /// leaves preemption on.
    fn preempts_tracepoints(&self) -> bool {
        self.btf.type_by_name::<Typedef<'_>>("class_srcu_fast_notrace_t").is_some()
    }

    /// The same amid one of fentry or fexit: wherever the kernel itself is preempted. One that does not tell its mode
    /// is none of those that are by default.
    fn preempts_functions(&self) -> bool {
        let mode = std::fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
        self.preempts_tracepoints() || mode.contains("(full)") || mode.contains("(lazy)")
    }
}

/// What speaks against each program of the object. `avoid` names functions and tracepoints that are to be left alone.
pub fn refusals(object: &OpenObject, avoid: &[String]) -> Refusals {
    let mut refused = Refusals::new();
    let Some(kernel) = Kernel::read() else {
        return refused;
    };
    let mut fentry: BTreeMap<u32, Option<String>> = BTreeMap::new();
    // Refused once for lack of a right or of trampolines: refused for every function.
    let mut no_fentry: Option<String> = None;
    let kprobes = try_kprobes();
    let (preempts_tracepoints, preempts_functions) = (kernel.preempts_tracepoints(), kernel.preempts_functions());
    for program in object.progs() {
        let section = program.section().to_string_lossy().into_owned();
        let Some((kind, target)) = section.split_once('/') else {
            continue;
        };
        let name = program.name().to_string_lossy().into_owned();
        let Some(name) = crate::hooks::program_name(&name) else {
            continue;
        };
        let like = crate::hooks::first_of(name).unwrap_or(name);
        let wanted = ARGUMENTS.iter().find(|(program, _)| *program == like).map(|(_, count)| *count);
        let stands_in = crate::hooks::first_of(name).is_some();
        let preempts = if kind == "tp_btf" { preempts_tracepoints } else { preempts_functions };
        let reason = if stands_in && !preempts {
            Some("this kernel has no thread preempted amid a program".to_owned())
        } else if avoid.iter().any(|avoided| avoided == target) {
            Some("left alone by kernel.avoid".to_owned())
        } else if kind == "tp_btf" {
            match kernel.tracepoint(target) {
                None => Some(format!("this kernel has no tracepoint {target}")),
                Some(count) if wanted.is_some_and(|wanted| count < wanted || (name == "rv_t_drop3" && count > 3)) => {
                    Some(format!("the tracepoint {target} has other arguments"))
                }
                Some(_) => None,
            }
        } else {
            match kernel.function(target) {
                None => Some(format!("this kernel has no function {target}")),
                Some(_) if kind.starts_with('k') => kprobes.as_ref().err().cloned(),
                Some((_, count)) if wanted.is_some_and(|wanted| count != wanted) => {
                    Some(format!("the function {target} has other arguments"))
                }
                Some(_) if no_fentry.is_some() => no_fentry.clone(),
                Some((id, _)) => fentry
                    .entry(id)
                    .or_insert_with(|| {
                        let error = try_fentry(id).err()?;
                        let reason = format!("fentry is refused: {error}");
                        if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP)) {
                            no_fentry = Some(reason.clone());
                        }
                        Some(reason)
                    })
                    .clone(),
            }
        };
        if let Some(reason) = reason {
            refused.insert(name, reason);
        }
    }
    refused
}

/// Names of functions of the kernel by address; only root may see them.
pub fn maybe_symbol(address: u64) -> Option<String> {
    use std::io::BufRead;
    let file = std::io::BufReader::new(std::fs::File::open("/proc/kallsyms").ok()?);
    let mut best: Option<(u64, String)> = None;
    for line in file.lines().map_while(Result::ok) {
        let mut parts = line.split_ascii_whitespace();
        let (Some(at), Some(_), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let Ok(at) = u64::from_str_radix(at, 16) else {
            continue;
        };
        if at != 0 && at <= address && best.as_ref().is_none_or(|(known, _)| at > *known) {
            best = Some((at, name.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

/// Names of the kernel's reasons for dropping a packet.
pub fn drop_reasons() -> BTreeMap<u32, String> {
    let Ok(btf) = Btf::from_vmlinux() else {
        return BTreeMap::new();
    };
    let Some(reasons) = btf.type_by_name::<libbpf_rs::btf::types::Enum<'_>>("skb_drop_reason") else {
        return BTreeMap::new();
    };
    reasons
        .iter()
        .filter_map(|member| {
            let name = member.name?.to_string_lossy();
            let name = name.strip_prefix("SKB_DROP_REASON_").unwrap_or(&name).to_owned();
            Some((u32::try_from(member.value).ok()?, name))
        })
        .collect()
}
